#include "daemon/state.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/state_db.h"
#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/record/record.h"

#define UNSIGNED_MAX \
	8 /* in the queue; what comes then the loop signs: so both have as much to do, measured */
#define STACK_SIZE (256 * 1024) /* of the storage thread; what it does not touch costs nothing */

/* What a record's signature takes and is: with its op until that is on disk, then on its way to the
 * loop. */
struct state_signing {
	struct state_signing *next;
	struct hash hash;
	uint64_t stamp;
	bool done;
	struct sig sig;
};

/* What goes into one transaction. */
struct batch {
	struct map ops;		 /* struct state_op by its key, owned */
	bool reset;		 /* forget everything first */
	bool urgent;		 /* somebody waits for it */
	struct timespec due;	 /* else it is written then; set with the first op */
	struct id node;		 /* then: whose database it is */
	unsigned unsigned_count; /* of ops */
	uint64_t ticket;
	uint64_t epoch; /* counts resets: tickets of another epoch mean nothing */
};

struct state {
	struct state_db *db; /* the thread's while it runs */
	bool started, joined;
	pthread_t thread;
	uv_async_t async;
	state_report_cb report;
	state_signed_cb signed_cb;
	void *arg;

	pthread_mutex_t signer_mutex;
	struct keys *signer; /* guarded memory; NULL: none yet */

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	struct batch queue;
	bool stop;
	struct state_counts counts; /* but for `waiting` */
	struct state_report latest; /* to be reported */
	uint64_t latest_epoch;
	struct state_signing *were_signed; /* of that epoch, on disk; the loop is to be told */
	uint64_t epoch;			   /* of what is put now */
};

/* ---- batches ---- */

static void batch_init(struct batch *batch, uint64_t epoch)
{
	struct rng rng;
	uint8_t seed[32];

	randombytes_buf(seed, sizeof(seed));
	rng_init(&rng, seed);
	*batch = (struct batch){.epoch = epoch};
	map_init(&batch->ops, STATE_DB_KEY_SIZE, &rng);
	rng_done(&rng);
}

static void op_free(struct state_op *op)
{
	if (op)
		free(op->signing);
	free(op);
}

static void batch_done(struct batch *batch)
{
	struct state_op *op;

	map_each (&batch->ops, at, op)
		op_free(op);
	map_done(&batch->ops);
}

static bool batch_waits(const struct batch *batch)
{
	return batch->ops.count || batch->reset || batch->ticket;
}

/* The monotonic clock, so much later than now. */
static struct timespec later(int64_t ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += ms / 1000;
	time.tv_nsec += ms % 1000 * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	return time;
}

/* Takes op over; what was there for the key goes. */
static int batch_put(struct batch *batch, struct state_op *op)
{
	struct state_op *before = map_get(&batch->ops, op->key);
	int err = map_put(&batch->ops, op->key, op);

	if (err) {
		op_free(op);
		return err;
	}
	op_free(before);
	return 0;
}

/* ---- the thread ---- */

static void free_signed(struct state_signing *list)
{
	while (list) {
		struct state_signing *next = list->next;

		free(list);
		list = next;
	}
}

/* Under the mutex: what was signed goes back to the loop. */
static void hand_signed(struct state *state, const struct batch *batch)
{
	struct state_op *op;

	map_each (&batch->ops, at, op) {
		if (!op->signing)
			continue;
		op->signing->next = state->were_signed;
		state->were_signed = op->signing;
		op->signing = NULL;
	}
}

static void tell(struct state *state, const struct batch *batch, const char *error)
{
	struct state_report *latest = &state->latest;

	pthread_mutex_lock(&state->mutex);
	if (batch->epoch != state->latest_epoch) {
		latest->ticket = 0;
		free_signed(state->were_signed);
		state->were_signed = NULL;
	}
	state->latest_epoch = batch->epoch;
	if (!error)
		hand_signed(state, batch);
	latest->failing = error != NULL;
	latest->error[0] = '\0';
	if (error)
		memcpy(latest->error, error, STATE_ERROR_SIZE);
	else if (batch->ticket > latest->ticket)
		latest->ticket = batch->ticket;
	pthread_mutex_unlock(&state->mutex);
	uv_async_send(&state->async);
}

static void sign(struct state *state, struct state_op *op)
{
	struct state_signing *signing = op->signing;

	if (!signing || signing->done)
		return;
	pthread_mutex_lock(&state->signer_mutex);
	record_sign_hash(state->signer, signing->stamp, &signing->hash, &signing->sig);
	pthread_mutex_unlock(&state->signer_mutex);
	memcpy(op->bytes + op->size - sizeof(signing->sig), &signing->sig, sizeof(signing->sig));
	signing->done = true;
}

/* us: how long it took; below 0: it failed. */
static void count_commit(struct state *state, int64_t us, size_t ops)
{
	pthread_mutex_lock(&state->mutex);
	if (us < 0) {
		state->counts.failures++;
	} else {
		histogram_add(&state->counts.commits, us);
		state->counts.written += ops;
	}
	pthread_mutex_unlock(&state->mutex);
}

static int write_batch(struct state *state, const struct batch *batch, char error[STATE_ERROR_SIZE])
{
	uint64_t begun_ns = uv_hrtime();
	struct state_op *op;
	int err;

	state_db_begin(state->db);
	if (batch->reset)
		state_db_reset(state->db, &batch->node);
	map_each (&batch->ops, at, op) {
		sign(state, op);
		state_db_apply(state->db, op);
	}
	err = state_db_commit(state->db, error);
	count_commit(
		state, err ? -1 : (int64_t)((uv_hrtime() - begun_ns) / 1000), batch->ops.count);
	return err;
}

/* false: the thread is to end now. */
static bool wait_before_retry(struct state *state, int64_t pause_ms)
{
	const struct timespec until = later(pause_ms);
	bool stop;
	int rc = 0;

	pthread_mutex_lock(&state->mutex);
	while (!state->stop && !rc)
		rc = pthread_cond_timedwait(&state->changed, &state->mutex, &until);
	stop = state->stop;
	pthread_mutex_unlock(&state->mutex);
	return !stop;
}

/* false: it could not be written, and the thread is to end. */
static bool write_until_done(struct state *state, const struct batch *batch)
{
	char error[STATE_ERROR_SIZE];
	int64_t pause_ms = STATE_RETRY_MS;

	while (write_batch(state, batch, error)) {
		tell(state, batch, error);
		if (!wait_before_retry(state, pause_ms))
			return false;
		pause_ms = pause_ms * 2 < STATE_RETRY_MAX_MS ? pause_ms * 2 : STATE_RETRY_MAX_MS;
	}
	tell(state, batch, NULL);
	return true;
}

/* Under the mutex: until there is something that is to be written now. */
static void wait_for_batch(struct state *state)
{
	const struct batch *queue = &state->queue;

	while (!state->stop && !queue->urgent) {
		if (!batch_waits(queue))
			pthread_cond_wait(&state->changed, &state->mutex);
		else if (pthread_cond_timedwait(&state->changed, &state->mutex, &queue->due))
			return;
	}
}

static void *thread_main(void *arg)
{
	struct state *state = arg;
	bool more = true;

	while (more) {
		struct batch batch;

		pthread_mutex_lock(&state->mutex);
		wait_for_batch(state);
		batch = state->queue;
		batch_init(&state->queue, state->epoch);
		pthread_mutex_unlock(&state->mutex);
		more = batch_waits(&batch) && write_until_done(state, &batch);
		batch_done(&batch);
	}
	return NULL;
}

static void on_async(uv_async_t *async)
{
	struct state *state = async->data;
	struct state_report report;
	struct state_signing *were_signed;
	uint64_t epoch;

	pthread_mutex_lock(&state->mutex);
	report = state->latest;
	epoch = state->latest_epoch;
	were_signed = state->were_signed;
	state->were_signed = NULL;
	pthread_mutex_unlock(&state->mutex);
	if (epoch != state->epoch)
		report.ticket = 0;
	for (struct state_signing *one = were_signed; one && epoch == state->epoch; one = one->next)
		state->signed_cb(state->arg, &one->hash, &one->sig);
	free_signed(were_signed);
	state->report(state->arg, &report);
}

/* ---- the loop's side ---- */

int state_open(const char *dir, const struct id *node, wtime_t wall, struct state **ret,
	struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE])
{
	struct state *state = calloc(1, sizeof(*state));
	pthread_condattr_t attr;
	int err = ERR_NOMEM;

	if (state)
		err = state_db_open(dir, node, wall, &state->db, ret_info, ret_error);
	else
		strcpy(ret_error, "out of memory");
	if (err) {
		free(state);
		return err;
	}
	pthread_mutex_init(&state->mutex, NULL);
	pthread_mutex_init(&state->signer_mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&state->changed, &attr);
	pthread_condattr_destroy(&attr);
	batch_init(&state->queue, 0);
	*ret = state;
	return 0;
}

int state_each_record(struct state *state, state_record_cb each, void *arg)
{
	assert(!state->started);
	return state_db_each_record(state->db, each, arg);
}

int state_each_endpoint(struct state *state, state_endpoint_cb each, void *arg)
{
	assert(!state->started);
	return state_db_each_endpoint(state->db, each, arg);
}

int state_each_attachment(struct state *state, state_attachment_cb each, void *arg)
{
	assert(!state->started);
	return state_db_each_attachment(state->db, each, arg);
}

int state_get_number(struct state *state, const char *name, uint64_t *ret)
{
	assert(!state->started);
	return state_db_get_number(state->db, name, ret);
}

int state_flush(struct state *state, char ret_error[STATE_ERROR_SIZE])
{
	int err;

	assert(!state->started);
	err = write_batch(state, &state->queue, ret_error);
	if (err)
		return err;
	batch_done(&state->queue);
	batch_init(&state->queue, state->epoch);
	return 0;
}

int state_set_signer(struct state *state, const struct keys *signer)
{
	struct keys *copy = sodium_malloc(sizeof(*copy)), *before;

	if (!copy)
		return ERR_NOMEM;
	*copy = *signer;
	pthread_mutex_lock(&state->signer_mutex);
	before = state->signer;
	state->signer = copy;
	pthread_mutex_unlock(&state->signer_mutex);
	sodium_free(before);
	return 0;
}

int state_start(struct state *state, uv_loop_t *loop, state_report_cb report,
	state_signed_cb signed_cb, void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	if (uv_async_init(loop, &state->async, on_async))
		return ERR_SYSTEM;
	state->async.data = state;
	state->report = report;
	state->signed_cb = signed_cb;
	state->arg = arg;
	state->started = true;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&state->thread, &attr, thread_main, state);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc) {
		state->joined = true;
		return ERR_SYSTEM;
	}
	return 0;
}

void state_stop(struct state *state)
{
	if (!state->started || uv_is_closing((uv_handle_t *)&state->async))
		return;
	if (!state->joined) {
		pthread_mutex_lock(&state->mutex);
		state->stop = true;
		pthread_cond_signal(&state->changed);
		pthread_mutex_unlock(&state->mutex);
		pthread_join(state->thread, NULL);
		state->joined = true;
	}
	uv_close((uv_handle_t *)&state->async, NULL);
}

void state_free(struct state *state)
{
	if (!state)
		return;
	assert(!state->started || state->joined);
	batch_done(&state->queue);
	free_signed(state->were_signed);
	sodium_free(state->signer); /* wipes it */
	pthread_mutex_destroy(&state->signer_mutex);
	state_db_close(state->db);
	pthread_cond_destroy(&state->changed);
	pthread_mutex_destroy(&state->mutex);
	free(state);
}

/* name: the key's first letter; about may be NULL. */
static struct state_op *op_new(
	enum state_op_kind kind, char name, const uint8_t *about, const void *bytes, size_t size)
{
	struct state_op *op = calloc(1, sizeof(*op) + size);

	if (!op)
		return NULL;
	op->kind = kind;
	op->key[0] = (uint8_t)name;
	if (about)
		memcpy(op->key + 1, about, STATE_DB_KEY_SIZE - 1);
	op->size = size;
	if (size)
		memcpy(op->bytes, bytes, size);
	return op;
}

static int put(struct state *state, uint64_t ticket, struct state_op *op)
{
	bool first;
	int err;

	if (!op)
		return ERR_NOMEM;
	pthread_mutex_lock(&state->mutex);
	state->queue.unsigned_count += op->signing != NULL;
	first = !batch_waits(&state->queue);
	err = batch_put(&state->queue, op);
	if (!err && ticket > state->queue.ticket)
		state->queue.ticket = ticket;
	if (first) {
		state->queue.due = later(STATE_GATHER_MS);
		pthread_cond_signal(&state->changed);
	}
	pthread_mutex_unlock(&state->mutex);
	return err;
}

int state_put_record(struct state *state, uint64_t ticket, const struct hash *hash,
	const uint8_t *bytes, size_t size, uint64_t number)
{
	struct state_op *op = op_new(STATE_OP_PUT_RECORD, 'r', hash->b, bytes, size);

	if (op)
		op->number = number;
	return put(state, ticket, op);
}

bool state_may_sign(struct state *state)
{
	bool may;

	pthread_mutex_lock(&state->mutex);
	may = state->queue.unsigned_count < UNSIGNED_MAX;
	pthread_mutex_unlock(&state->mutex);
	return may;
}

int state_put_unsigned(struct state *state, uint64_t ticket, const struct hash *hash,
	const uint8_t *bytes, size_t size, uint64_t number, uint64_t stamp)
{
	struct state_op *op = op_new(STATE_OP_PUT_RECORD, 'r', hash->b, bytes, size);

	assert(state->signer && state->signed_cb);
	if (op)
		op->signing = calloc(1, sizeof(*op->signing));
	if (!op || !op->signing) {
		op_free(op);
		return ERR_NOMEM;
	}
	op->number = number;
	op->signing->hash = *hash;
	op->signing->stamp = stamp;
	return put(state, ticket, op);
}

int state_remove_record(struct state *state, uint64_t ticket, const struct hash *hash)
{
	return put(state, ticket, op_new(STATE_OP_REMOVE_RECORD, 'r', hash->b, NULL, 0));
}

int state_put_endpoint(struct state *state, uint64_t ticket, const struct id *node,
	const struct endpoint *endpoint)
{
	struct state_op *op = op_new(STATE_OP_PUT_ENDPOINT, 'e', node->b, NULL, 0);

	if (op)
		op->endpoint = *endpoint;
	return put(state, ticket, op);
}

int state_put_mesh(struct state *state, uint64_t ticket, const struct id *mesh)
{
	return put(state, ticket, op_new(STATE_OP_PUT_MESH, 'm', NULL, mesh->b, sizeof(mesh->b)));
}

int state_put_generation(struct state *state, uint64_t ticket, uint64_t generation)
{
	return state_put_number(state, ticket, STATE_DB_GENERATION, generation);
}

/* The same about a name, with NULs behind it: what it is about is never the whole of a key. */
static struct state_op *op_named(
	enum state_op_kind kind, char letter, const char *name, const void *bytes, size_t size)
{
	uint8_t about[STATE_DB_KEY_SIZE - 1] = {0};

	assert(strlen(name) < sizeof(about));
	strcpy((char *)about, name);
	return op_new(kind, letter, about, bytes, size);
}

int state_put_number(struct state *state, uint64_t ticket, const char *name, uint64_t number)
{
	struct state_op *op = op_named(STATE_OP_PUT_NUMBER, 'n', name, NULL, 0);

	if (op)
		op->number = number;
	return put(state, ticket, op);
}

int state_put_attachment(struct state *state, uint64_t ticket, const char *segment,
	const char *addresses, const char *ports)
{
	size_t first = strlen(addresses) + 1, second = strlen(ports) + 1;
	struct state_op *op;
	char *both;

	assert(strlen(segment) < STATE_SEGMENT_SIZE);
	both = malloc(first + second);
	if (!both)
		return ERR_NOMEM;
	memcpy(both, addresses, first);
	memcpy(both + first, ports, second);
	op = op_named(STATE_OP_PUT_ATTACHMENT, 'a', segment, both, first + second);
	free(both);
	return put(state, ticket, op);
}

int state_remove_attachment(struct state *state, uint64_t ticket, const char *segment)
{
	return put(state, ticket, op_named(STATE_OP_REMOVE_ATTACHMENT, 'a', segment, NULL, 0));
}

void state_hurry(struct state *state, uint64_t ticket)
{
	pthread_mutex_lock(&state->mutex);
	/* what is not queued is being written, or was: an empty batch would end the thread */
	if (batch_waits(&state->queue) && state->queue.ticket >= ticket && !state->queue.urgent) {
		state->queue.urgent = true;
		pthread_cond_signal(&state->changed);
	}
	pthread_mutex_unlock(&state->mutex);
}

void state_counts(struct state *state, struct state_counts *ret)
{
	pthread_mutex_lock(&state->mutex);
	*ret = state->counts;
	ret->waiting = state->queue.ops.count;
	pthread_mutex_unlock(&state->mutex);
}

void state_reset(struct state *state, const struct id *node)
{
	pthread_mutex_lock(&state->mutex);
	batch_done(&state->queue);
	batch_init(&state->queue, ++state->epoch);
	state->queue.reset = true;
	state->queue.urgent = true;
	state->queue.node = *node;
	pthread_cond_signal(&state->changed);
	pthread_mutex_unlock(&state->mutex);
}

void state_renumber(struct state *state)
{
	pthread_mutex_lock(&state->mutex);
	state->queue.epoch = ++state->epoch;
	state->queue.ticket = 0;
	pthread_mutex_unlock(&state->mutex);
}

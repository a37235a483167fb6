/*
 * What thousands of nodes would each compute for themselves, computed once: the linker puts these
 * in the place of the core's (--wrap). They are pure functions, and give exactly what they would
 * have given, so that a run is the same with and without them (tests/meshsim/same_trace). Records
 * are shared: they never change but in how often they are referred to.
 */
#include "tests/meshsim/memo.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/record/record.h"
#include "tests/meshsim/agree.h"

int __real_keys_verify(const struct id *signer, enum keys_domain domain, const void *data,
	size_t size, const struct sig *sig);
int __wrap_keys_verify(const struct id *signer, enum keys_domain domain, const void *data,
	size_t size, const struct sig *sig);
int __real_keys_agree(const struct keys *self, const struct id *peer, uint8_t ret_shared[32]);
int __wrap_keys_agree(const struct keys *self, const struct id *peer, uint8_t ret_shared[32]);
int __real_keys_wireguard_public(const struct id *wireguard, uint8_t ret[32]);
int __wrap_keys_wireguard_public(const struct id *wireguard, uint8_t ret[32]);
int __real_record_decode(
	const struct id *mesh, const void *bytes, size_t size, struct record **ret);
int __wrap_record_decode(
	const struct id *mesh, const void *bytes, size_t size, struct record **ret);

#define TAG_SIZE crypto_shorthash_siphashx24_BYTES

/* What a question was, as 128 bits: nobody in here looks for collisions. */
struct tag {
	uint8_t b[TAG_SIZE];
};

struct question {
	uint8_t bytes[KEYS_SIGNED_MAX + 256];
	size_t size;
};

static void ask(struct question *question, const void *part, size_t size)
{
	assert(question->size + size <= sizeof(question->bytes));
	memcpy(question->bytes + question->size, part, size);
	question->size += size;
}

static void hash_bytes(const void *bytes, size_t size, struct tag *ret)
{
	static const uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];

	crypto_shorthash_siphashx24(ret->b, bytes, size, key);
}

static size_t home(const struct tag *tag, size_t capacity)
{
	uint64_t start;

	memcpy(&start, tag, sizeof(start));
	return start & (capacity - 1);
}

/* ---- answers, kept for ever ---- */

struct answer {
	struct tag tag;
	bool taken;
	int8_t err;
	uint8_t value[32];
};

struct answers {
	struct answer *slots;
	size_t count, capacity;
};

static struct answer *find_answer(const struct answers *all, const struct tag *tag)
{
	size_t at = home(tag, all->capacity);

	while (all->slots[at].taken && memcmp(&all->slots[at].tag, tag, sizeof(*tag)) != 0)
		at = (at + 1) & (all->capacity - 1);
	return &all->slots[at];
}

static void grow_answers(struct answers *all)
{
	struct answers larger = {
		.capacity = all->capacity ? all->capacity * 2 : 4096, .count = all->count};

	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	assert(larger.slots);
	for (size_t i = 0; i < all->capacity; i++) {
		if (all->slots[i].taken)
			*find_answer(&larger, &all->slots[i].tag) = all->slots[i];
	}
	free(all->slots);
	*all = larger;
}

/* The answer, or room for it. */
static struct answer *look_up(struct answers *all, const struct question *question)
{
	struct answer *answer;
	struct tag tag;

	if ((all->count + 1) * 4 > all->capacity * 3)
		grow_answers(all);
	hash_bytes(question->bytes, question->size, &tag);
	answer = find_answer(all, &tag);
	if (!answer->taken)
		answer->tag = tag;
	return answer;
}

static void keep(struct answers *all, struct answer *answer, int err)
{
	answer->taken = true;
	answer->err = (int8_t)err;
	all->count++;
}

int __wrap_keys_verify(const struct id *signer, enum keys_domain domain, const void *data,
	size_t size, const struct sig *sig)
{
	static struct answers all;
	struct question question = {.size = 0};
	struct answer *answer;

	ask(&question, signer, sizeof(*signer));
	ask(&question, &domain, sizeof(domain));
	ask(&question, sig, sizeof(*sig));
	ask(&question, data, size);
	answer = look_up(&all, &question);
	if (!answer->taken)
		keep(&all, answer, __real_keys_verify(signer, domain, data, size, sig));
	return answer->err;
}

int __wrap_keys_wireguard_public(const struct id *wireguard, uint8_t ret[32])
{
	static struct answers all;
	struct question question = {.size = 0};
	struct answer *answer;

	ask(&question, wireguard, sizeof(*wireguard));
	answer = look_up(&all, &question);
	if (!answer->taken)
		keep(&all, answer, __real_keys_wireguard_public(wireguard, answer->value));
	if (answer->err == 0)
		memcpy(ret, answer->value, sizeof(answer->value));
	return answer->err;
}

/* ---- key agreements: those of one node with all others at once ---- */

static struct {
	struct id *ids;
	uint8_t (*secrets)[32]; /* in X25519's form */
	size_t count, capacity;
} known;
static struct answers agreements, numbers; /* by both ids; by one, its place in `known` */

static struct answer *agreement(const struct id *a, const struct id *b)
{
	bool first = memcmp(a, b, sizeof(*a)) < 0;
	struct question question = {.size = 0};

	ask(&question, first ? a : b, sizeof(*a));
	ask(&question, first ? b : a, sizeof(*a));
	return look_up(&agreements, &question);
}

static struct answer *number_of(const struct id *id)
{
	struct question question = {.size = 0};

	ask(&question, id, sizeof(*id));
	return look_up(&numbers, &question);
}

void memo_know(const struct keys *keys)
{
	struct answer *number = number_of(&keys->id);

	if (number->taken)
		return;
	if (known.count == known.capacity) {
		known.capacity = known.capacity ? known.capacity * 2 : 256;
		known.ids = realloc(known.ids, known.capacity * sizeof(*known.ids));
		known.secrets = realloc(known.secrets, known.capacity * sizeof(*known.secrets));
		assert(known.ids && known.secrets);
	}
	known.ids[known.count] = keys->id;
	crypto_sign_ed25519_sk_to_curve25519(known.secrets[known.count], keys->secret);
	memcpy(number->value, &known.count, sizeof(known.count));
	known.count++;
	keep(&numbers, number, 0);
}

/* All that this node has not been asked for yet, with those that are known. */
static void agree_row(size_t own)
{
	uint8_t(*secrets)[32] = calloc(known.count, sizeof(*secrets));
	uint8_t(*shared)[32] = calloc(known.count, sizeof(*shared));
	size_t *others = calloc(known.count, sizeof(*others)), count = 0;

	assert(secrets && shared && others);
	for (size_t i = 0; i < known.count; i++) {
		if (i == own || agreement(&known.ids[own], &known.ids[i])->taken)
			continue;
		memcpy(secrets[count], known.secrets[i], sizeof(secrets[count]));
		others[count++] = i;
	}
	agree_with_all(known.secrets[own], (const uint8_t(*)[32])secrets, count, shared);
	for (size_t i = 0; i < count; i++) {
		struct answer *answer = agreement(&known.ids[own], &known.ids[others[i]]);

		memcpy(answer->value, shared[i], sizeof(answer->value));
		keep(&agreements, answer, 0);
	}
	free(secrets);
	free(shared);
	free(others);
}

/* Both ends ask the same: the one that comes second has it for nothing. */
int __wrap_keys_agree(const struct keys *self, const struct id *peer, uint8_t ret_shared[32])
{
	struct answer *answer = agreement(&self->id, peer);

	if (!answer->taken && number_of(&self->id)->taken && number_of(peer)->taken) {
		size_t own;

		memcpy(&own, number_of(&self->id)->value, sizeof(own));
		agree_row(own);
		answer = agreement(&self->id, peer);
	}
	if (!answer->taken)
		keep(&agreements, answer, __real_keys_agree(self, peer, answer->value));
	if (answer->err == 0)
		memcpy(ret_shared, answer->value, sizeof(answer->value));
	return answer->err;
}

/* ---- records: one for all that have the same bytes ---- */

struct shared {
	struct tag tag;
	struct record *record; /* a reference of the table's; NULL: free */
};

static struct {
	struct shared *slots;
	size_t count, capacity, sweep_at;
} records;

static struct shared *find_shared(struct shared *slots, size_t capacity, const struct tag *tag,
	const void *bytes, size_t size)
{
	size_t at = home(tag, capacity);

	for (; slots[at].record; at = (at + 1) & (capacity - 1)) {
		if (memcmp(&slots[at].tag, tag, sizeof(*tag)) == 0 &&
			slots[at].record->size == size &&
			memcmp(slots[at].record->bytes, bytes, size) == 0)
			break;
	}
	return &slots[at];
}

/* Into a table of a size that fits, without those that nobody holds any more. */
static void sweep(void)
{
	struct shared *old = records.slots;
	size_t held = 0, before = records.capacity;

	for (size_t i = 0; i < before; i++) {
		if (old[i].record && old[i].record->references == 1) {
			record_unref(old[i].record);
			old[i].record = NULL;
		}
		held += old[i].record != NULL;
	}
	records.capacity = 4096;
	while (records.capacity < held * 4)
		records.capacity *= 2;
	records.slots = calloc(records.capacity, sizeof(*records.slots));
	assert(records.slots);
	for (size_t i = 0; i < before; i++) {
		if (old[i].record)
			*find_shared(records.slots, records.capacity, &old[i].tag,
				old[i].record->bytes, old[i].record->size) = old[i];
	}
	free(old);
	records.count = held;
	records.sweep_at = records.capacity / 2;
}

int __wrap_record_decode(const struct id *mesh, const void *bytes, size_t size, struct record **ret)
{
	struct shared *slot;
	struct tag tag;
	int err;

	if (records.count >= records.sweep_at)
		sweep();
	hash_bytes(bytes, size, &tag);
	slot = find_shared(records.slots, records.capacity, &tag, bytes, size);
	if (!slot->record) {
		err = __real_record_decode(mesh, bytes, size, ret);
		if (err != 0)
			return err;
		*slot = (struct shared){tag, record_ref(*ret)};
		records.count++;
		return 0;
	}
	*ret = record_ref(slot->record);
	return 0;
}

#include "gossip/gossip_grant.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_command.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_revoke.h"
#include "gossip/gossip_view.h"
#include "gossip/record/value.h"
#include "gossip/replica/store.h"

static const char *const office_labels[] = {[GOSSIP_ADMIN] = "admin", [GOSSIP_WRITER] = "writer"};

const char *gossip_office_label(enum gossip_office office)
{
	return office_labels[office];
}

/* ---- what an admin said ---- */

bool gossip_grant_is_act(const struct record *record)
{
	return authority_chain(record->type) == CHAIN_ADMIN ||
	       (record->type == RECORD_VALUE && value_key_is_mesh(record->key, record->key_size));
}

/* Whether the text, an id or a beginning of it of four digits or more, or a key of the
 * configuration, is what the record is about. */
static bool is_about(const struct record *record, const char *text, const struct id *node)
{
	char hex[TEXT_ID_SIZE];
	size_t size = strlen(text);
	struct id id;

	if (strcmp(text, GOSSIP_EXCEPT_ALL) == 0)
		return true;
	if (record->type == RECORD_VALUE)
		return size == record->key_size && memcmp(text, record->key, size) == 0;
	memcpy(&id, record->key, sizeof(id)); /* the store has seen to its size */
	return (node && id_equal(&id, node)) ||
	       (size >= 4 && size < sizeof(hex) && strncmp(text_id(&id, hex), text, size) == 0);
}

/* What an exception names has to be there, and one thing: whoever takes back a word must know
 * which.
 */
static int check_exception(
	struct gossip *g, const struct id *admin, const char *text, const struct id *node)
{
	const struct record *found = NULL;

	if (strcmp(text, GOSSIP_EXCEPT_ALL) == 0)
		return 0;
	for (const struct record *r = store_after(g->store, NULL); r;
		r = store_after(g->store, r)) {
		if (!id_equal(&r->author, admin) || !gossip_grant_is_act(r) ||
			!is_about(r, text, node))
			continue;
		if (found && (found->type == RECORD_VALUE) == (r->type == RECORD_VALUE) &&
			memcmp(found->key, r->key, sizeof(struct id)) != 0)
			return gossip_fail(g, ERR_INVALID,
				"`%s` fits more than one thing that the admin signed: give more "
				"of it",
				text);
		found = r;
	}
	return found ? 0
		     : gossip_fail(g, ERR_UNKNOWN,
			       "the admin signed nothing about `%s`: --except takes the id of an "
			       "invite (`meshctl invites`), a node that it revoked, kept or made a "
			       "writer, or a key under " VALUE_MESH,
			       text);
}

struct exceptions {
	const char *const *texts;
	size_t count;
	struct id nodes[GOSSIP_EXCEPTIONS_MAX]; /* where a text names one */
	bool is_node[GOSSIP_EXCEPTIONS_MAX];
};

static int read_exceptions(struct gossip *g, const struct id *admin, struct exceptions *exceptions)
{
	int err = exceptions->count > GOSSIP_EXCEPTIONS_MAX
			  ? gossip_fail(g, ERR_LIMIT, "at most %d exceptions at a time",
				    GOSSIP_EXCEPTIONS_MAX)
			  : 0;

	for (size_t i = 0; i < exceptions->count && err == 0; i++) {
		exceptions->is_node[i] =
			gossip_resolve(g, exceptions->texts[i], &exceptions->nodes[i]) == 0;
		err = check_exception(g, admin, exceptions->texts[i],
			exceptions->is_node[i] ? &exceptions->nodes[i] : NULL);
	}
	return err;
}

static bool is_kept(const struct gossip *g, const struct id *admin,
	const struct exceptions *exceptions, const struct record *record)
{
	if (!id_equal(&record->author, admin) || !gossip_grant_is_act(record) ||
		!authority_stands(g->authority, record))
		return false;
	for (size_t i = 0; i < exceptions->count; i++) {
		if (is_about(record, exceptions->texts[i],
			    exceptions->is_node[i] ? &exceptions->nodes[i] : NULL))
			return false;
	}
	return true;
}

/* Invites stand in admissions as well: also those that were signed anew since, or whose own records
 * have not come. */
static size_t add_invites(const struct gossip *g, const struct id *admin,
	const struct exceptions *exceptions, uint8_t *keep, size_t count)
{
	const struct authority_invite *invite;

	for (size_t i = 0; (invite = authority_invite_at(g->authority, i)); i++) {
		if (!is_kept(g, admin, exceptions, invite->record))
			continue;
		if (keep)
			memcpy(keep + sizeof(struct hash) * count, &invite->record->hash,
				sizeof(struct hash));
		count++;
	}
	return count;
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

/* What an admin signed stands when the admin goes, unless it is said otherwise: all that is known.
 */
static uint8_t *kept_of(const struct gossip *g, const struct id *admin,
	const struct exceptions *exceptions, size_t *ret_count)
{
	size_t count = add_invites(g, admin, exceptions, NULL, 0), unique = 0;
	uint8_t *keep;

	for (const struct record *r = store_after(g->store, NULL); r; r = store_after(g->store, r))
		count += is_kept(g, admin, exceptions, r);
	keep = malloc(count ? count * sizeof(struct hash) : 1);
	if (!keep)
		return NULL;
	count = add_invites(g, admin, exceptions, keep, 0);
	for (const struct record *r = store_after(g->store, NULL); r;
		r = store_after(g->store, r)) {
		if (is_kept(g, admin, exceptions, r))
			memcpy(keep + sizeof(struct hash) * count++, &r->hash, sizeof(struct hash));
	}
	qsort(keep, count, sizeof(struct hash), compare_hashes);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_hashes(keep + sizeof(struct hash) * i,
				      keep + sizeof(struct hash) * (unique - 1)) != 0)
			memmove(keep + sizeof(struct hash) * unique++,
				keep + sizeof(struct hash) * i, sizeof(struct hash));
	}
	*ret_count = unique;
	return keep;
}

static int take_office(
	struct gossip *g, const struct revocation *revocation, struct exceptions *exceptions)
{
	struct revocation office = *revocation;
	uint8_t *keep;
	int err;

	if (!g->config.root)
		return gossip_fail(g, ERR_NOT_ADMIN,
			"%s is an admin: only the mesh's root key takes that back, and it is not "
			"on "
			"this node: run this on the node that holds it",
			revocation->name);
	err = read_exceptions(g, &revocation->subject, exceptions);
	if (err != 0)
		return err;
	keep = kept_of(g, &revocation->subject, exceptions, &office.keep_count);
	if (!keep)
		return ERR_NOMEM;
	office.keep = keep;
	err = gossip_revoke_publish(g, g->config.root, RECORD_ADMIN_REVOCATION, &office);
	free(keep);
	return err != ERR_TOO_BIG
		       ? err
		       : gossip_fail(g, err,
				 "%s signed more than the %d things that can be named as what "
				 "stands: `meshctl ungrant %s admin --except '" GOSSIP_EXCEPT_ALL
				 "'` drops all of it, and whom it let in with it",
				 revocation->name, REVOCATION_KEEP_MAX * REVOCATION_CHUNKS_MAX,
				 revocation->name);
}

int gossip_grant_take_office(struct gossip *g, const struct revocation *revocation)
{
	struct exceptions none = {.count = 0};

	return take_office(g, revocation, &none);
}

/* ---- commands ---- */

static int need_member(struct gossip *g, const struct id *node, const struct authority_member **ret)
{
	const struct authority_member *member = authority_member(g->authority, node);

	if (!member || member->standing != AUTHORITY_MEMBER)
		return gossip_fail(g, ERR_UNKNOWN, "%s is no member: `meshctl status` lists them",
			member ? member->name : "that");
	*ret = member;
	return 0;
}

static int check_new_admin(struct gossip *g, const struct authority_member *member)
{
	if (!g->config.root)
		return gossip_fail(g, ERR_NOT_ADMIN,
			"only the mesh's root key makes admins, and it is not on this node: run "
			"this "
			"on the node that holds it");
	if (member->admin)
		return gossip_fail(g, ERR_STATE, "%s is an admin already", member->name);
	if (authority_is_expelled(g->authority, &member->id))
		return gossip_fail(g, ERR_STATE,
			"%s was an admin, and that it is none any more is for good: `meshctl "
			"invite "
			"--admin --replace %s` lets its machine in anew as one",
			member->name, member->name);
	if (member->ephemeral)
		return gossip_fail(g, ERR_INVALID,
			"%s is an ephemeral member: its lease ends, and with it an admin would go",
			member->name);
	return 0;
}

/* The later word counts: one of another admin's from the future would win over this one whatever is
 * said. */
static int check_writer(struct gossip *g, const struct authority_member *member, bool grant)
{
	const struct record *said = authority_writer(g->authority, &member->id);

	if (member->admin)
		return gossip_fail(
			g, ERR_STATE, "%s is an admin: admins are writers", member->name);
	if (member->writer == grant)
		return gossip_fail(g, ERR_STATE, "%s is %s", member->name,
			grant ? "a writer already" : "no writer");
	if (said && !id_equal(&said->author, &g->config.identity->id) &&
		hlc_stamp_ms(said->stamp) > gossip_mesh_time(g).ms + HLC_AHEAD_MAX_MS)
		return gossip_fail(g, ERR_FUTURE,
			"what was said last of %s bears a time in the future, and would count "
			"before "
			"this: correct the clocks, or try again when that time has come",
			member->name);
	return 0;
}

static int publish_writer(struct gossip *g, const struct id *node, bool granted)
{
	uint8_t value[8];
	struct pack pack;
	struct record_draft draft = {
		.type = RECORD_WRITER, .key = node, .key_size = sizeof(*node), .value = value};

	pack_init(&pack, value, sizeof(value));
	writer_encode(granted, &pack);
	draft.value_size = pack.size;
	return gossip_record_publish(g, g->config.identity, &draft);
}

static int publish_grant(struct gossip *g, const struct id *node)
{
	struct record_draft draft = {.type = RECORD_GRANT, .key = node, .key_size = sizeof(*node)};

	return gossip_record_publish(g, g->config.root, &draft);
}

int gossip_grant(struct gossip *g, struct gossip_time time, const struct id *node,
	enum gossip_office office, uint64_t *ret_ticket)
{
	const struct authority_member *member = NULL;
	int err;

	g->time = time;
	err = office == GOSSIP_ADMIN ? gossip_command_need_running(g)
				     : gossip_command_need_admin(g, "makes writers");
	if (err == 0)
		err = need_member(g, node, &member);
	if (err == 0)
		err = office == GOSSIP_ADMIN ? check_new_admin(g, member)
					     : check_writer(g, member, true);
	if (err != 0)
		return err;
	err = office == GOSSIP_ADMIN ? publish_grant(g, node) : publish_writer(g, node, true);
	if (err != 0)
		return gossip_fail(g, err, "cannot make %s %s: %s", member->name,
			gossip_office_label(office), err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* Also of one that has left, or is none any more: what it signed may be found out later. */
static int ungrant_admin(struct gossip *g, const struct authority_member *member,
	const char *const *except, size_t except_count)
{
	struct exceptions exceptions = {.texts = except, .count = except_count};
	struct revocation office = {.subject = member->id};

	if (!authority_is_admin(g->authority, &member->id) &&
		!(except_count && authority_is_expelled(g->authority, &member->id)))
		return gossip_fail(g, ERR_STATE, "%s is no admin", member->name);
	if (g->config.root && member->standing == AUTHORITY_MEMBER && member->admin &&
		gossip_command_count_admins(g) == 1)
		return gossip_fail(g, ERR_STATE,
			"%s is the mesh's last admin: nobody could invite or revoke any more, and "
			"that it is none is for good; `meshctl grant NODE admin` makes another "
			"one first",
			member->name);
	strcpy(office.name, member->name);
	return take_office(g, &office, &exceptions);
}

int gossip_ungrant(struct gossip *g, struct gossip_time time, const struct id *node,
	enum gossip_office office, const char *const *except, size_t except_count,
	uint64_t *ret_ticket)
{
	const struct authority_member *member;
	int err;

	g->time = time;
	err = office == GOSSIP_ADMIN
		      ? gossip_command_need_running(g)
		      : gossip_command_need_admin(g, "takes back what it is to write");
	if (err != 0)
		return err;
	member = authority_member(g->authority, node);
	if (!member)
		return gossip_fail(g, ERR_UNKNOWN, "no such node: `meshctl status` lists them");
	if (office == GOSSIP_ADMIN) {
		err = ungrant_admin(g, member, except, except_count);
	} else {
		err = except_count ? gossip_fail(g, ERR_INVALID,
					     "--except is about what an admin signed: writers sign "
					     "nothing of the kind")
				   : check_writer(g, member, false);
		if (err == 0)
			err = publish_writer(g, node, false);
	}
	if (err != 0)
		return g->error[0] ? err
				   : gossip_fail(g, err, "cannot take it back from %s: %s",
					     member->name, err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* ---- events ---- */

static void tell(struct gossip *g, const struct authority_member *member, bool granted,
	enum gossip_office office, const struct id *by)
{
	struct gossip_event event = gossip_view_event(
		g, granted ? GOSSIP_EVENT_GRANTED : GOSSIP_EVENT_UNGRANTED, &member->id);

	strcpy(event.name, member->name);
	strcpy(granted ? event.to : event.from, gossip_office_label(office));
	event.has_by = true;
	event.by = *by;
	gossip_effect_event(g, &event);
}

/* By whose word it is one now, or is none; where none is left the root has expelled the admin who
 * had made it one. */
static const struct id *writer_by(
	const struct gossip *g, const struct authority *now, const struct id *node)
{
	const struct record *word = authority_writer(now, node);

	return word ? &word->author : &g->mesh;
}

void gossip_grant_tell(
	struct gossip *g, const struct authority *before, const struct authority *now)
{
	const struct authority_member *member, *was;

	for (size_t i = 0; (member = authority_at(now, i)); i++) {
		was = authority_member(before, &member->id);
		if (member->standing != AUTHORITY_MEMBER || !was ||
			was->standing != AUTHORITY_MEMBER)
			continue; /* it came as what it is */
		if (member->admin != was->admin)
			tell(g, member, member->admin, GOSSIP_ADMIN, &g->mesh);
		if (member->writer != was->writer)
			tell(g, member, member->writer, GOSSIP_WRITER,
				writer_by(g, now, &member->id));
	}
}

#include "daemon/ctl_invite.h"

#include <stdlib.h>

#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "gossip/record/hlc.h"

#define INVITE_EXPIRES_MS (60 * 60 * 1000) /* the contract's default */

struct invite_task {
	struct invite invite;
	char token[TOKEN_TEXT_MAX];
};

static void on_invited(void *arg, int err)
{
	struct ctl_client *client = arg;
	const struct invite_task *task = client->task;
	struct pack *out;

	if (ctl_verb_refused_by_disk(client, err))
		return;
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 4);
	ctl_put_text(out, "token", task->token);
	ctl_put_id(out, "id", &task->invite.id);
	ctl_put_time(out, "expires", (wtime_t){task->invite.expires_ms});
	ctl_put_number(out, "uses", task->invite.uses);
	ctl_client_end_ok(client);
}

/* What is wrong with the request, or NULL. */
static const char *take_tags(const struct ipc_value *tags, struct invite *invite)
{
	if (tags->count > INVITE_TAGS_MAX)
		return "an invite has at most 8 tags";
	for (size_t i = 0; i < tags->count; i++) {
		size_t size = strlen(tags->texts[i]);

		if (size == 0 || size > INVITE_TAG_MAX)
			return "a tag is 1 to 32 bytes of text";
		memcpy(invite->tags[invite->tag_count++], tags->texts[i], size + 1);
	}
	return NULL;
}

static const char *take_places(const struct ipc_request *request, struct invite *invite)
{
	const struct ipc_value *addresses = &request->args[IPC_ARG_ADDRESSES];
	const struct ipc_value *endpoints = &request->args[IPC_ARG_ENDPOINTS];

	if (addresses->count > INVITE_ADDRESSES_MAX)
		return "an invite fixes at most one IPv4 and one IPv6 address";
	for (size_t i = 0; i < addresses->count; i++) {
		if (text_parse_ip(addresses->texts[i], &invite->addresses[i]) != 0)
			return "an address is an IPv4 or IPv6 address without a length";
		invite->address_count++;
	}
	if (invite->address_count == 2 &&
		invite->addresses[0].family == invite->addresses[1].family)
		return "an invite fixes at most one IPv4 and one IPv6 address";
	if (endpoints->count > INVITE_ENDPOINTS_MAX)
		return "an invite names at most 4 endpoints";
	for (size_t i = 0; i < endpoints->count; i++) {
		if (text_parse_endpoint(endpoints->texts[i], &invite->endpoints[i]) != 0)
			return "an endpoint is an address and a port";
		invite->endpoint_count++;
	}
	return NULL;
}

/* Whether there is nothing to resolve, or it is done; else it has been answered. */
static bool take_replaced(
	struct ctl_client *client, const struct ipc_request *request, struct invite *invite)
{
	const char *text = ipc_request_text(request, IPC_ARG_REPLACE);
	int err = text ? gossip_resolve(client->daemon->gossip, text, &invite->replaced) : 0;

	invite->has_replaced = text != NULL;
	if (err != 0)
		ctl_verb_refuse_node(client, text, err);
	return err == 0;
}

static const char *take_invite(const struct ipc_request *request, struct invite *invite)
{
	const char *name = ipc_request_text(request, IPC_ARG_NODE_NAME), *wrong;
	uint64_t uses = ipc_request_number(request, IPC_ARG_USES, 1);

	if (uses == 0 || uses > INVITE_USES_MAX)
		return "an invite has 1 to 10000 uses";
	if (name && admission_check_name(name) != 0)
		return "a node's name is 1 to 63 of a-z, 0-9 and '-', none at the ends, and not "
		       "four "
		       "or more hexadecimal digits only";
	*invite = (struct invite){
		.uses = (uint32_t)uses,
		.admin = ipc_request_number(request, IPC_ARG_ADMIN, false),
		.ephemeral = ipc_request_number(request, IPC_ARG_EPHEMERAL, false),
	};
	if (name)
		strcpy(invite->node_name, name);
	wrong = take_tags(&request->args[IPC_ARG_TAGS], invite);
	return wrong ? wrong : take_places(request, invite);
}

void ctl_invite_mint(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	uint64_t lifetime_ms = ipc_request_number(request, IPC_ARG_EXPIRES_MS, INVITE_EXPIRES_MS);
	struct invite_task *task = ctl_client_task(client, sizeof(*task));
	const char *wrong;
	uint64_t ticket;
	int err;

	if (!task)
		return;
	wrong = take_invite(request, &task->invite);
	/* text_parse_duration's bound, which the command line has kept to */
	if (!wrong && (lifetime_ms == 0 || lifetime_ms > UINT64_C(36525) * 24 * 60 * 60 * 1000))
		wrong = "an invite can be used for some time, and at most for 100 years";
	if (wrong) {
		ctl_client_refuse(client, ERR_INVALID, 2, "%s", wrong);
		return;
	}
	if (!take_replaced(client, request, &task->invite))
		return;
	err = gossip_invite(daemon->gossip, daemon_time(daemon), (int64_t)lifetime_ms,
		&task->invite, task->token, &ticket);
	if (err != 0)
		ctl_verb_refuse(client, err);
	else
		ctl_verb_await_disk(client, ticket, on_invited);
}

/* The view is as old as the last change of authority; an invite expires without one. */
static const char *invite_state(const struct authority_invite *known, wtime_t now)
{
	enum authority_invite_state state = known->state;
	static const char *const labels[] = {
		[INVITE_OPEN] = "open",
		[INVITE_EXPIRED] = "expired",
		[INVITE_USED_UP] = "used_up",
		[INVITE_CLOSED] = "withdrawn",
		[INVITE_INVALID] = "invalid",
	};

	if (state == INVITE_OPEN && now.ms >= known->invite.expires_ms)
		state = INVITE_EXPIRED;
	return labels[state];
}

static void put_invite(struct pack *out, const struct gossip *gossip, wtime_t now,
	const struct authority_invite *known)
{
	const struct invite *invite = &known->invite;
	char text[TEXT_IP_SIZE];

	pack_put_map(out, 13);
	ctl_put_id(out, "id", &invite->id);
	ctl_put_text(out, "state", invite_state(known, now));
	ctl_put_number(out, "uses", invite->uses);
	ctl_put_number(out, "used", known->used);
	ctl_put_time(out, "created", (wtime_t){hlc_stamp_ms(known->stamp)});
	ctl_put_time(out, "expires", (wtime_t){invite->expires_ms});
	ctl_put_person(out, "by", gossip, &known->author);
	ctl_put_flag(out, "admin", invite->admin);
	ctl_put_flag(out, "ephemeral", invite->ephemeral);
	ctl_put_text(out, "node_name", *invite->node_name ? invite->node_name : NULL);
	if (invite->has_replaced)
		ctl_put_person(out, "replace", gossip, &invite->replaced);
	else
		ctl_put_nil(out, "replace");
	pack_put_str(out, "tags");
	pack_put_array(out, (uint32_t)invite->tag_count);
	for (size_t i = 0; i < invite->tag_count; i++)
		pack_put_str(out, invite->tags[i]);
	pack_put_str(out, "addresses");
	pack_put_array(out, (uint32_t)invite->address_count);
	for (size_t i = 0; i < invite->address_count; i++)
		pack_put_str(out, text_ip(&invite->addresses[i], text));
}

static int newest_first(const void *a, const void *b)
{
	const struct authority_invite *left = *(const struct authority_invite *const *)a;
	const struct authority_invite *right = *(const struct authority_invite *const *)b;

	return (left->stamp < right->stamp) - (left->stamp > right->stamp);
}

/* The door by which the founder came in, which nobody minted: who signed it was admitted by it. */
static bool is_founders(const struct gossip *gossip, const struct authority_invite *known)
{
	struct gossip_member author;
	bool is = gossip_member(gossip, &known->author, &author);

	if (!is)
		return false;
	is = id_equal(&author.standing->invite, &known->invite.id);
	gossip_member_wipe(&author);
	return is;
}

void ctl_invite_list(struct ctl_client *client, const struct ipc_request *request)
{
	const struct gossip *gossip = client->daemon->gossip;
	wtime_t now = daemon_time(client->daemon).wall;
	const struct authority_invite **invites;
	const struct authority_invite *known;
	struct gossip_status status;
	uint32_t all = 0, count = 0;
	struct pack *out;

	(void)request;
	gossip_status(gossip, &status);
	now.ms += status.clock_offset_ms;
	while (gossip_invite_at(gossip, all))
		all++;
	invites = calloc(all + 1, sizeof(*invites)); /* never of nothing */
	if (!invites) {
		ctl_client_refuse(client, ERR_NOMEM, 1, "%s", err_text(ERR_NOMEM));
		return;
	}
	for (uint32_t i = 0; (known = gossip_invite_at(gossip, i)); i++) {
		if (!is_founders(gossip, known))
			invites[count++] = known;
	}
	qsort(invites, count, sizeof(*invites), newest_first);
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 1);
	pack_put_str(out, "invites");
	pack_put_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		put_invite(out, gossip, now, invites[i]);
	free(invites);
	ctl_client_end_ok(client);
}

void ctl_invite_withdraw(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	const char *text = ipc_request_text(request, IPC_ARG_INVITE);
	struct ctl_verb_subject *task = ctl_client_task(client, sizeof(*task));
	uint64_t ticket;
	int err;

	if (!task)
		return;
	err = gossip_resolve_invite(daemon->gossip, text, &task->id);
	if (err != 0) {
		ctl_client_refuse(client, err, 1,
			err == ERR_INVALID
				? "`%s` fits more than one invite: give more of its id"
				: "no invite `%s` is known here: `meshctl invites` lists them",
			text);
		return;
	}
	err = gossip_uninvite(daemon->gossip, daemon_time(daemon), &task->id, &ticket);
	if (err != 0)
		ctl_verb_refuse(client, err);
	else
		ctl_verb_await_disk(client, ticket, ctl_verb_subject_done);
}

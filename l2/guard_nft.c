#include "l2/guard_nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include "wg/nl_attr.h"

static int take_generation(const struct nlmsghdr *msg, void *context)
{
	struct nl_attr attrs[NFTA_GEN_ID + 1];
	struct nfgenmsg head;
	uint32_t number;
	int err = nl_msg_parse(msg, &head, sizeof(head), attrs, NFTA_GEN_ID);

	if (!err)
		err = nl_attr_u32(&attrs[NFTA_GEN_ID], &number);
	if (!err)
		*(uint32_t *)context = ntohl(number);
	return err;
}

/* Every transaction of anybody makes it one more. */
static int ask_generation(struct nl *nl, uint32_t *ret)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	head->version = NFNETLINK_V0;
	return nl_query(nl, NL_NETFILTER, nlh, take_generation, ret);
}

/* 0: not known. */
static uint32_t generation(void)
{
	uint32_t number = 0;
	struct nl *nl;

	if (nl_new(&nl))
		return 0;
	if (ask_generation(nl, &number))
		number = 0;
	nl_free(nl);
	return number;
}

/* Where the library cannot open its socket it ends the process: asked first. */
static int check_netfilter(char error[GUARD_ERROR_SIZE])
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (!socket) {
		snprintf(error, GUARD_ERROR_SIZE, "this kernel has no netfilter: %s",
			strerror(errno));
		return ERR_UNSUPPORTED;
	}
	mnl_socket_close(socket);
	return 0;
}

/* Of several lines, with the place and the text at fault, what the first one says. */
static void take_error(const char *text, char error[GUARD_ERROR_SIZE])
{
	static const char mark[] = "Error: ";
	const char *found = text ? strstr(text, mark) : NULL;
	size_t size;

	found = found ? found + strlen(mark) : text;
	size = found ? strcspn(found, "\n") : 0;
	if (size == 0)
		snprintf(error, GUARD_ERROR_SIZE, "nftables failed and does not say why");
	else
		snprintf(error, GUARD_ERROR_SIZE, "%.*s",
			(int)(size < GUARD_ERROR_SIZE ? size : GUARD_ERROR_SIZE - 1), found);
}

/* One transaction. ret_output may be NULL. ERR_UNSUPPORTED, ERR_NOMEM, ERR_SYSTEM: error says. */
static int run(const char *text, char **ret_output, char error[GUARD_ERROR_SIZE])
{
	char *output = NULL;
	struct nft_ctx *ctx;
	int err = check_netfilter(error);

	if (err)
		return err;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx || nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx)) {
		err = ERR_NOMEM;
	} else if (nft_run_cmd_from_buffer(ctx, text)) {
		take_error(nft_ctx_get_error_buffer(ctx), error);
		err = ERR_SYSTEM;
	} else if (ret_output) {
		output = strdup(nft_ctx_get_output_buffer(ctx));
		err = output ? 0 : ERR_NOMEM;
	}
	nft_ctx_free(ctx);
	if (err == ERR_NOMEM)
		snprintf(error, GUARD_ERROR_SIZE, "%s", err_text(err));
	if (!err && ret_output)
		*ret_output = output;
	return err;
}

/* what: "table", or of that its "counters table". */
static int list(
	const char *what, const char *interface, char **ret_listing, char error[GUARD_ERROR_SIZE])
{
	char table[GUARD_TABLE_SIZE], text[GUARD_TABLE_SIZE + 64];
	int err = guard_table(interface, table);

	if (err) {
		snprintf(error, GUARD_ERROR_SIZE, "an interface of this name cannot be guarded: %s",
			interface);
		return err;
	}
	snprintf(text, sizeof(text), "list %s inet %s\n", what, table);
	return run(text, ret_listing, error);
}

static bool is_ours(const char *listing)
{
	static const char mark[] = "{\n\tcomment \"" GUARD_MARK;
	const char *body = strchr(listing, '{');

	return body && strncmp(body, mark, strlen(mark)) == 0;
}

/* Takes the counters' values out of a listing: what is left stays the same as long as nobody
 * changes the table. */
static void take_counters(char *listing, struct guard_counters *ret)
{
	const struct {
		const char *name;
		uint64_t *packets;
	} counters[] = {
		{"\tcounter stray {\n", &ret->stray},
		{"\tcounter unattached {\n", &ret->unattached},
		{"\tcounter truncated {\n", &ret->truncated},
		{"\tcounter spoofed {\n", &ret->spoofed},
	};

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		char *at = strstr(listing, counters[i].name), *end;

		if (!at)
			continue;
		at += strlen(counters[i].name);
		(void)sscanf(at, " packets %" SCNu64, counters[i].packets);
		end = at + strcspn(at, "\n");
		memmove(at, end, strlen(end) + 1);
	}
}

static void forget(struct guard_nft *nft)
{
	free(nft->listing);
	nft->listing = NULL;
}

/* A table by our name that is not ours is somebody's. */
static int check_ours(const char *interface, char error[GUARD_ERROR_SIZE])
{
	char *listing, ignored[GUARD_ERROR_SIZE];
	bool ours;

	if (list("table", interface, &listing, ignored))
		return 0; /* none; or writing it will say what is wrong */
	ours = is_ours(listing);
	free(listing);
	if (ours)
		return 0;
	snprintf(error, GUARD_ERROR_SIZE,
		"there is an nftables table inet meshd_%s that meshd did not make", interface);
	return ERR_STATE;
}

static int run_text(int text_err, char *text, char error[GUARD_ERROR_SIZE])
{
	int err = text_err ? text_err : run(text, NULL, error);

	if (text_err)
		snprintf(error, GUARD_ERROR_SIZE, "%s", err_text(text_err));
	free(text);
	return err;
}

/* By single elements. False: that is not possible, or is not what the kernel has. */
static bool change(struct guard_nft *nft, const struct guard_want *want)
{
	char *text, ignored[GUARD_ERROR_SIZE];

	if (!nft->listing || nft->have.vni_count == 0)
		return false;
	if (guard_text_change(&nft->have, want, &text))
		return false;
	return run_text(0, text, ignored) == 0;
}

static int write_whole(struct guard_nft *nft, const struct guard_want *want)
{
	char *text = NULL;
	int err = check_ours(want->interface, nft->error);

	if (err)
		return err;
	err = guard_text_whole(want, &text);
	return run_text(err, text, nft->error);
}

/* What the table is like now is as we left it if ours was the only transaction meanwhile. */
static void remember(struct guard_nft *nft, uint32_t before)
{
	struct guard_counters ignored;
	char *listing;

	if (list("table", nft->have.interface, &listing, nft->error))
		return;
	nft->generation = generation();
	if (nft->generation != before + 1) {
		free(listing);
		return;
	}
	take_counters(listing, &ignored);
	nft->listing = listing;
}

int guard_nft_apply(struct guard_nft *nft, const struct guard_want *want)
{
	uint32_t before = generation();
	struct guard_want copy;
	int err;

	if (want->vni_count && nft->listing && guard_want_equal(&nft->have, want))
		return 0;
	err = guard_want_copy(want, &copy);
	if (err) {
		snprintf(nft->error, sizeof(nft->error), "%s", err_text(err));
		return err;
	}
	if (want->vni_count == 0)
		err = guard_nft_remove(want->interface, nft->error);
	else if (!change(nft, want))
		err = write_whole(nft, want);
	if (err) {
		guard_want_done(&copy);
		return err;
	}
	guard_want_done(&nft->have);
	nft->have = copy;
	forget(nft);
	if (want->vni_count)
		remember(nft, before);
	return 0;
}

/* Where nobody has changed any table since, only the counters are read. */
int guard_nft_look(struct guard_nft *nft, bool *ret_same, struct guard_counters *ret_counters)
{
	uint32_t number = generation();
	bool same = nft->listing && number && number == nft->generation;
	char *listing = NULL;
	int err;

	if (nft->have.vni_count == 0) {
		*ret_same = true;
		return 0;
	}
	err = list(same ? "counters table" : "table", nft->have.interface, &listing, nft->error);
	if (err == ERR_NOMEM)
		return err;
	if (listing)
		take_counters(listing, ret_counters);
	if (!same) {
		same = listing && nft->listing && strcmp(listing, nft->listing) == 0;
		nft->generation = number == generation() ? number : 0;
	}
	free(listing);
	if (!same)
		forget(nft);
	*ret_same = same;
	return 0;
}

int guard_nft_remove(const char *interface, char ret_error[GUARD_ERROR_SIZE])
{
	char *listing, *text = NULL;
	bool ours;
	int err = list("table", interface, &listing, ret_error);

	/* No table, no nftables: nothing to take away. */
	if (err == ERR_UNSUPPORTED || (err == ERR_SYSTEM && !strstr(ret_error, strerror(EPERM))))
		return 0;
	if (err)
		return err;
	ours = is_ours(listing);
	free(listing);
	if (!ours) {
		snprintf(ret_error, GUARD_ERROR_SIZE,
			"the nftables table inet meshd_%s is not meshd's: left alone", interface);
		return ERR_STATE;
	}
	err = guard_text_remove(interface, &text);
	return run_text(err, text, ret_error);
}

void guard_nft_done(struct guard_nft *nft)
{
	guard_want_done(&nft->have);
	forget(nft);
}

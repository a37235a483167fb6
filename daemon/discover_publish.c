#include <sodium.h>

#include "daemon/discover_mdns_internal.h"
#include "gossip/base/text.h"

#define INSTANCE_BYTES	 8
/* Somebody may claim every name that we take: so many at once, and one each so often. */
#define COLLISION_BURST	 4
#define COLLISION_GAP_MS 10000

/* Callbacks come before avahi_entry_group_new returns, too. */
static void group_changed(AvahiEntryGroup *group, AvahiEntryGroupState state, void *arg)
{
	struct discover_thread *thread = arg;

	for (size_t i = 0; i < thread->speaker_count; i++) {
		if (thread->speakers[i].group == group && state == AVAHI_ENTRY_GROUP_COLLISION)
			thread->speakers[i].collided = true;
	}
	if (state == AVAHI_ENTRY_GROUP_FAILURE)
		discover_mdns_refused(thread, "announce this node",
			avahi_client_errno(avahi_entry_group_get_client(group)));
}

void discover_publish_end(struct discover_speaker *speaker)
{
	if (speaker->group)
		avahi_entry_group_free(speaker->group);
	speaker->group = NULL;
}

static struct discover_announce wanted(const struct discover_thread *thread)
{
	struct discover_announce announce = {.only4 = thread->want.only4,
		.port = thread->want.port,
		.is_member = thread->want.is_member};

	if (announce.is_member)
		announce.mesh = thread->want.mesh;
	return announce;
}

static bool is_announced(const struct discover_thread *thread)
{
	struct discover_announce want = wanted(thread);
	const struct discover_announce *have = &thread->announced;

	return want.only4 == have->only4 && want.port == have->port &&
	       want.is_member == have->is_member && id_equal(&want.mesh, &have->mesh);
}

static AvahiStringList *make_txt(const struct discover_thread *thread)
{
	struct discover_txt txt = {.has_tag = thread->announced.is_member};
	uint8_t bytes[DISCOVER_TXT_MAX];
	AvahiStringList *list = NULL;
	size_t size;

	memcpy(txt.salt, thread->salt, sizeof(txt.salt));
	if (txt.has_tag)
		discover_txt_tag(txt.salt, &thread->announced.mesh, txt.tag);
	size = discover_txt_encode(&txt, bytes);
	return avahi_string_list_parse(bytes, size, &list) == 0 ? list : NULL;
}

static int add_service(struct discover_thread *thread, const struct discover_speaker *speaker,
	AvahiStringList *txt)
{
	int error = avahi_entry_group_add_service_strlst(speaker->group,
		(AvahiIfIndex)speaker->link.ifindex,
		thread->announced.only4 ? AVAHI_PROTO_INET : AVAHI_PROTO_UNSPEC, 0,
		speaker->instance, DISCOVER_SERVICE, NULL, NULL, thread->announced.port, txt);

	return error ? error : avahi_entry_group_commit(speaker->group);
}

/* Under a new name, so that whoever saw the one before looks at this one anew. */
static void publish(struct discover_thread *thread, struct discover_speaker *speaker)
{
	AvahiStringList *txt = make_txt(thread);
	uint8_t random[INSTANCE_BYTES];
	int error = AVAHI_ERR_NO_MEMORY;

	speaker->collided = false;
	randombytes_buf(random, sizeof(random));
	text_hex(random, sizeof(random), speaker->instance);
	if (txt) {
		speaker->group = avahi_entry_group_new(thread->client, group_changed, thread);
		error = speaker->group ? add_service(thread, speaker, txt)
				       : avahi_client_errno(thread->client);
	}
	avahi_string_list_free(txt);
	if (error == 0)
		return;
	discover_publish_end(speaker);
	discover_mdns_refused(thread, "announce this node", error);
}

void discover_publish_turn(struct discover_thread *thread, mtime_t now)
{
	bool anew = !is_announced(thread);

	thread->announced = wanted(thread);
	for (size_t i = 0; i < thread->speaker_count && !thread->failed; i++) {
		struct discover_speaker *speaker = &thread->speakers[i];

		if (speaker->collided &&
			!mtime_allows(&thread->collisions, now, COLLISION_GAP_MS, COLLISION_BURST))
			discover_mdns_refused(thread, "announce this node", AVAHI_ERR_COLLISION);
		else if (anew || speaker->collided)
			discover_publish_end(speaker);
		if (!speaker->group)
			publish(thread, speaker);
	}
}

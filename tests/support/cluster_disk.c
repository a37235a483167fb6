#include "gossip/record/record.h"
#include "tests/support/cluster_internal.h"

/* ---- bytes, shared by all the disks that hold them ---- */

static struct blob *take_blob(
	struct cluster *c, const struct hash *hash, const void *bytes, size_t size)
{
	struct blob *blob = map_get(&c->blobs, hash);
	bool known = blob != NULL;

	if (known && blob->size == size && memcmp(blob->bytes, bytes, size) == 0) {
		blob->references++;
		return blob;
	}
	blob = malloc(sizeof(*blob) + size);
	assert(blob);
	*blob = (struct blob){.hash = *hash, .references = 1, .size = size};
	memcpy(blob->bytes, bytes, size);
	/* of two signatures over one body only the first that came is shared */
	if (!known) {
		int err = map_put(&c->blobs, &blob->hash, blob);

		assert(err == 0);
		(void)err;
	}
	return blob;
}

static void drop_blob(struct cluster *c, struct blob *blob)
{
	if (!blob || --blob->references)
		return;
	if (map_get(&c->blobs, &blob->hash) == blob)
		map_del(&c->blobs, &blob->hash);
	free(blob);
}

/* ---- the image ---- */

void cluster_image(struct cluster *c, int founder, struct record *const *records, size_t count)
{
	int err = 0;

	assert(!c->image);
	c->image_mesh = c->nodes[founder]->root.id;
	c->image = calloc(count ? count : 1, sizeof(struct blob *));
	assert(c->image);
	for (size_t i = 0; i < count; i++) {
		c->image[i] = take_blob(c, &records[i]->hash, records[i]->bytes, records[i]->size);
		err |= map_put(&c->image_hashes, &c->image[i]->hash, c->image[i]);
	}
	assert(err == 0);
	(void)err;
	c->image_count = count;
}

void cluster_install(struct cluster *c, int number)
{
	struct disk *disk = &c->nodes[number]->disk;

	disk->has_mesh = disk->has_image = true;
	disk->mesh = c->image_mesh;
	c->nodes[number]->has_root = id_equal(&c->nodes[number]->root.id, &c->image_mesh);
	c->nodes[number]->joined = 0;
}

void disk_free_image(struct cluster *c)
{
	for (size_t i = 0; i < c->image_count; i++)
		drop_blob(c, c->image[i]);
	free(c->image);
	map_done(&c->image_hashes);
	map_done(&c->blobs);
}

/* ---- one disk ---- */

void disk_init(struct cluster *c, struct disk *disk)
{
	map_init(&disk->entries, sizeof(struct hash), &c->shapes);
	map_init(&disk->endpoints, sizeof(struct id), &c->shapes);
}

static void drop_entry(struct cluster *c, struct disk *disk, struct disk_entry *entry)
{
	map_del(&disk->entries, &entry->hash);
	*(entry->previous ? &entry->previous->next : &disk->first) = entry->next;
	*(entry->next ? &entry->next->previous : &disk->last) = entry->previous;
	drop_blob(c, entry->blob);
	free(entry);
}

static void empty(struct cluster *c, struct disk *disk)
{
	struct disk_endpoint *endpoint;

	while (disk->first)
		drop_entry(c, disk, disk->first);
	map_each (&disk->endpoints, at, endpoint)
		free(endpoint);
	map_done(&disk->endpoints);
	memset(disk->numbers, 0, sizeof(disk->numbers));
	disk->has_image = false;
}

void disk_done(struct cluster *c, struct disk *disk)
{
	empty(c, disk);
	map_done(&disk->entries);
}

void cluster_lose_disk(struct cluster *c, int number)
{
	empty(c, &c->nodes[number]->disk);
}

/* blob NULL: notes that the image's record is gone. */
static void add_entry(
	struct disk *disk, const struct hash *hash, struct blob *blob, uint64_t number)
{
	struct disk_entry *entry = calloc(1, sizeof(*entry));
	int err;

	assert(entry);
	*entry = (struct disk_entry){
		.previous = disk->last, .hash = *hash, .blob = blob, .number = number};
	*(disk->last ? &disk->last->next : &disk->first) = entry;
	disk->last = entry;
	err = map_put(&disk->entries, &entry->hash, entry);
	assert(err == 0);
	(void)err;
}

static void add(struct cluster *c, struct disk *disk, const struct hash *hash, const void *bytes,
	size_t size, uint64_t number)
{
	struct disk_entry *entry = map_get(&disk->entries, hash);

	if (entry)
		drop_entry(c, disk, entry);
	add_entry(disk, hash, take_blob(c, hash, bytes, size), number);
}

static bool in_image(const struct cluster *c, const struct disk *disk, const struct hash *hash)
{
	return disk->has_image && map_get(&c->image_hashes, hash);
}

static void delete (struct cluster *c, struct disk *disk, const struct hash *hash)
{
	struct disk_entry *entry = map_get(&disk->entries, hash);

	if (entry)
		drop_entry(c, disk, entry);
	if (in_image(c, disk, hash))
		add_entry(disk, hash, NULL, 0);
}

static void note_endpoint(struct disk *disk, const struct id *id, const struct endpoint *at)
{
	struct disk_endpoint *noted = map_get(&disk->endpoints, id);
	int err;

	if (!noted) {
		noted = calloc(1, sizeof(*noted));
		assert(noted);
		noted->id = *id;
		err = map_put(&disk->endpoints, &noted->id, noted);
		assert(err == 0);
		(void)err;
	}
	noted->endpoint = *at;
}

/* Writes are on the virtual disk at once and acknowledged later: a kill in between loses only the
 * word. */
void disk_write(struct cluster *c, struct node *node, const struct gossip_effect *effect)
{
	struct disk *disk = &node->disk;

	c->counts.writes++;
	if (effect->kind == EFFECT_PERSIST_RECORD) {
		add(c, disk, &effect->hash, effect->bytes, effect->size, (uint64_t)effect->number);
	} else if (effect->kind == EFFECT_PERSIST_REMOVE) {
		delete (c, disk, &effect->hash);
	} else if (effect->kind == EFFECT_PERSIST_ENDPOINT) {
		note_endpoint(disk, &effect->id, &effect->endpoint);
	} else if (effect->kind == EFFECT_PERSIST_GENERATION) {
		node->raised = (uint64_t)effect->number;
	} else if (effect->kind == EFFECT_PERSIST_NUMBER) {
		disk->numbers[effect->name] = (uint64_t)effect->number;
	} else {
		disk->has_mesh = true;
		disk->mesh = effect->id;
	}
	queue_add(
		c, mtime_add_ms(c->now, c->options.disk_ms), EVENT_PERSISTED, node->number, NULL, 0)
		->ticket = effect->ticket;
}

void cluster_write(struct cluster *c, int number, const struct record *record)
{
	add(c, &c->nodes[number]->disk, &record->hash, record->bytes, record->size, 0);
}

struct cluster_backup {
	size_t count, capacity;
	struct record **records;
	struct id mesh;
};

static void back_up(void *arg, const uint8_t *bytes, size_t size)
{
	struct cluster_backup *backup = arg;
	int err;

	if (backup->count == backup->capacity) {
		backup->capacity = backup->capacity ? backup->capacity * 2 : 64;
		backup->records =
			realloc(backup->records, backup->capacity * sizeof(struct record *));
		assert(backup->records);
	}
	err = record_decode(&backup->mesh, bytes, size, &backup->records[backup->count++]);
	assert(err == 0);
	(void)err;
}

struct cluster_backup *cluster_backup(struct cluster *c, int number)
{
	struct cluster_backup *backup = calloc(1, sizeof(*backup));

	assert(backup);
	backup->mesh = c->nodes[number]->disk.mesh;
	cluster_records(c, number, back_up, backup);
	return backup;
}

void cluster_set_back(struct cluster *c, int number, const struct cluster_backup *backup)
{
	empty(c, &c->nodes[number]->disk);
	for (size_t i = 0; i < backup->count; i++)
		cluster_write(c, number, backup->records[i]);
}

void cluster_backup_free(struct cluster_backup *backup)
{
	for (size_t i = 0; backup && i < backup->count; i++)
		record_unref(backup->records[i]);
	if (backup)
		free(backup->records);
	free(backup);
}

void cluster_records(const struct cluster *c, int number, cluster_record take, void *arg)
{
	const struct disk *disk = &c->nodes[number]->disk;

	for (size_t i = 0; disk->has_image && i < c->image_count; i++) {
		if (!map_get(&disk->entries, &c->image[i]->hash))
			take(arg, c->image[i]->bytes, c->image[i]->size);
	}
	for (const struct disk_entry *e = disk->first; e; e = e->next) {
		if (e->blob)
			take(arg, e->blob->bytes, e->blob->size);
	}
}

static void restore_one(struct node *node, const struct blob *blob, uint64_t number)
{
	int err = gossip_restore_record(node->core, blob->bytes, blob->size, number);

	assert(err == 0);
	(void)err;
}

void disk_restore(struct cluster *c, struct node *node)
{
	const struct disk *disk = &node->disk;

	if (!disk->has_mesh) { /* nobody's: a join had not come to its end */
		empty(c, &node->disk);
		return;
	}
	for (size_t i = 0; disk->has_image && i < c->image_count; i++) {
		if (!map_get(&disk->entries, &c->image[i]->hash))
			restore_one(node, c->image[i], 0);
	}
	for (const struct disk_entry *e = disk->first; e; e = e->next) {
		if (e->blob)
			restore_one(node, e->blob, e->number);
	}
	for (int name = 0; name < GOSSIP_NUMBERS; name++)
		gossip_restore_number(node->core, (enum gossip_number)name, disk->numbers[name]);
	for (int i = 0; i < c->count; i++) {
		const struct disk_endpoint *noted = map_get(&disk->endpoints, &c->nodes[i]->id);
		struct endpoint at = cluster_endpoint(c, i);

		if (noted)
			gossip_restore_endpoint(node->core, &c->nodes[i]->id, &noted->endpoint);
		else if (disk->has_image)
			gossip_restore_endpoint(node->core, &c->nodes[i]->id, &at);
	}
}

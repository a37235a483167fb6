/* What stands beside the strata of members: who is a writer by the admins' word, and from where on
 * the values of somebody who signed two bodies with one stamp are void. */
#include "gossip/trust/authority_strata.h"

#include "gossip/trust/equivocation.h"

int writer_decode(const struct record *record, bool *ret_granted)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	bool granted = true;

	if (record->type != RECORD_WRITER || record->key_size != sizeof(struct id) ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	if (record->value_size && (pack_get_bool(&reader, "granted", &granted) != 0 ||
					  pack_get_end(&reader, "writer") != 0 || granted))
		return ERR_MALFORMED;
	*ret_granted = granted;
	return 0;
}

void writer_encode(bool granted, struct pack *out)
{
	if (!granted)
		pack_put_bool(out, false);
}

/* By node; the latest word first. */
static int compare_writers(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;
	int order = memcmp(a->key, b->key, sizeof(struct id));

	return order ? order : record_compare(b, a);
}

static void find_writers(struct strata *s)
{
	size_t count, found = 0;
	const struct record *const *said = authority_input_of(s, RECORD_WRITER, &count);

	for (size_t i = 0; i < count; i++) {
		bool granted;

		if (writer_decode(said[i], &granted) == 0 && authority_root_stands(s, said[i]))
			s->writers[found++] = said[i];
	}
	qsort(s->writers, found, sizeof(struct record *), compare_writers);
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || memcmp(s->writers[i]->key, s->writers[s->writer_count - 1]->key,
				      sizeof(struct id)) != 0)
			s->writers[s->writer_count++] = s->writers[i];
	}
}

static int compare_voids(const void *left, const void *right)
{
	const struct strata_void *a = left, *b = right;
	int order = strata_compare_ids(&a->node, &b->node);

	return order ? order : (a->stamp > b->stamp) - (a->stamp < b->stamp);
}

static void find_voids(struct strata *s)
{
	size_t count, found = 0;
	const struct record *const *proofs = authority_input_of(s, RECORD_EQUIVOCATION, &count);

	for (size_t i = 0; i < count; i++) {
		struct equivocation proof;

		if (equivocation_decode(proofs[i], &proof) == 0)
			s->voids[found++] = (struct strata_void){proof.node, proof.stamp};
	}
	qsort(s->voids, found, sizeof(*s->voids), compare_voids);
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || !id_equal(&s->voids[i].node, &s->voids[s->void_count - 1].node))
			s->voids[s->void_count++] = s->voids[i];
	}
}

void authority_offices(struct strata *s)
{
	find_writers(s);
	find_voids(s);
}

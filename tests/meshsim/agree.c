#include "tests/meshsim/agree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers modulo 2^255 - 19, in five limbs of 51 bits (a few more in between) ---- */

struct fe {
	uint64_t v[5];
};

typedef unsigned __int128 wide;

#define MASK ((UINT64_C(1) << 51) - 1)

static const struct fe zero = {{0}}, one = {{1}};

static inline struct fe mul(const struct fe *a, const struct fe *b)
{
	uint64_t x0 = a->v[0], x1 = a->v[1], x2 = a->v[2], x3 = a->v[3], x4 = a->v[4];
	uint64_t y0 = b->v[0], y1 = b->v[1], y2 = b->v[2], y3 = b->v[3], y4 = b->v[4];
	uint64_t z1 = 19 * y1, z2 = 19 * y2, z3 = 19 * y3, z4 = 19 * y4, r0, r1, r2, r3, r4;
	wide t0 = (wide)x0 * y0 + (wide)x1 * z4 + (wide)x2 * z3 + (wide)x3 * z2 + (wide)x4 * z1;
	wide t1 = (wide)x0 * y1 + (wide)x1 * y0 + (wide)x2 * z4 + (wide)x3 * z3 + (wide)x4 * z2;
	wide t2 = (wide)x0 * y2 + (wide)x1 * y1 + (wide)x2 * y0 + (wide)x3 * z4 + (wide)x4 * z3;
	wide t3 = (wide)x0 * y3 + (wide)x1 * y2 + (wide)x2 * y1 + (wide)x3 * y0 + (wide)x4 * z4;
	wide t4 = (wide)x0 * y4 + (wide)x1 * y3 + (wide)x2 * y2 + (wide)x3 * y1 + (wide)x4 * y0;

	r0 = (uint64_t)t0 & MASK;
	t1 += t0 >> 51;
	r1 = (uint64_t)t1 & MASK;
	t2 += t1 >> 51;
	r2 = (uint64_t)t2 & MASK;
	t3 += t2 >> 51;
	r3 = (uint64_t)t3 & MASK;
	t4 += t3 >> 51;
	r4 = (uint64_t)t4 & MASK;
	t0 = (t4 >> 51) * 19 + r0;
	r0 = (uint64_t)t0 & MASK;
	r1 += (uint64_t)(t0 >> 51);
	return (struct fe){{r0, r1, r2, r3, r4}};
}

static inline struct fe add(const struct fe *a, const struct fe *b)
{
	struct fe r;

	for (int i = 0; i < 5; i++)
		r.v[i] = a->v[i] + b->v[i];
	return r;
}

/* b is below 2^53 in each limb: 4p is added. */
static inline struct fe sub(const struct fe *a, const struct fe *b)
{
	const uint64_t most = (UINT64_C(1) << 53) - 4;
	struct fe r = {{a->v[0] + most - 72 - b->v[0]}};

	for (int i = 1; i < 5; i++)
		r.v[i] = a->v[i] + most - b->v[i];
	return r;
}

static struct fe squared(struct fe a, int times)
{
	while (times--)
		a = mul(&a, &a);
	return a;
}

/* a^(2^times) * b. */
static struct fe raised(const struct fe *a, int times, const struct fe *b)
{
	struct fe r = squared(*a, times);

	return mul(&r, b);
}

/* a^(p - 2), by the usual chain of powers 2^n - 1. */
static struct fe invert(const struct fe *a)
{
	struct fe a2 = squared(*a, 1), a9 = raised(&a2, 2, a), a11 = mul(&a2, &a9);
	struct fe p5 = raised(&a11, 1, &a9), p10 = raised(&p5, 5, &p5);
	struct fe p20 = raised(&p10, 10, &p10), p40 = raised(&p20, 20, &p20);
	struct fe p50 = raised(&p40, 10, &p10), p100 = raised(&p50, 50, &p50);
	struct fe p200 = raised(&p100, 100, &p100), p250 = raised(&p200, 50, &p50);

	return raised(&p250, 5, &a11);
}

/* Each by its inverse, for one inversion in all. None is 0. */
static void invert_all(struct fe *items, size_t count)
{
	struct fe *before = malloc(count * sizeof(*before)), all = one;

	assert(before || !count);
	for (size_t i = 0; i < count; i++) {
		before[i] = all;
		all = mul(&all, &items[i]);
	}
	all = invert(&all);
	for (size_t i = count; i-- > 0;) {
		struct fe item = items[i];

		items[i] = mul(&all, &before[i]);
		all = mul(&all, &item);
	}
	free(before);
}

static struct fe load(const uint8_t b[32])
{
	uint64_t w[4];

	memcpy(w, b, sizeof(w));
	return (struct fe){
		{w[0] & MASK, (w[0] >> 51 | w[1] << 13) & MASK, (w[1] >> 38 | w[2] << 26) & MASK,
			(w[2] >> 25 | w[3] << 39) & MASK, (w[3] >> 12) & MASK}};
}

/* Every limb but the second below 2^51 again. */
static struct fe carry(struct fe a)
{
	wide c = 0;

	for (int i = 0; i < 5; i++) {
		c += a.v[i];
		a.v[i] = (uint64_t)c & MASK;
		c >>= 51;
	}
	c = c * 19 + a.v[0];
	a.v[0] = (uint64_t)c & MASK;
	a.v[1] += (uint64_t)(c >> 51);
	return a;
}

static void store(struct fe a, uint8_t ret[32])
{
	uint64_t q, w[4];

	a = carry(carry(a));
	/* it is below 2p now: 1 to be taken away where it is not below p */
	q = (a.v[0] + 19) >> 51;
	for (int i = 1; i < 5; i++)
		q = (a.v[i] + q) >> 51;
	a.v[0] += 19 * q;
	for (int i = 0; i < 4; i++) {
		a.v[i + 1] += a.v[i] >> 51;
		a.v[i] &= MASK;
	}
	a.v[4] &= MASK;
	w[0] = a.v[0] | a.v[1] << 51;
	w[1] = a.v[1] >> 13 | a.v[2] << 38;
	w[2] = a.v[2] >> 26 | a.v[3] << 25;
	w[3] = a.v[3] >> 39 | a.v[4] << 12;
	memcpy(ret, w, sizeof(w));
}

/* ---- points of edwards25519 (RFC 8032), extended coordinates ---- */

struct point {
	struct fe x, y, z, t;
};

/* To be added: y + x, y - x, 2dxy of an affine point. */
struct addend {
	struct fe plus, minus, twice;
};

static const uint8_t base_x[32] = {0x1a, 0xd5, 0x25, 0x8f, 0x60, 0x2d, 0x56, 0xc9, 0xb2, 0xa7, 0x25,
	0x95, 0x60, 0xc7, 0x2c, 0x69, 0x5c, 0xdc, 0xd6, 0xfd, 0x31, 0xe2, 0xa4, 0xc0, 0xfe, 0x53,
	0x6e, 0xcd, 0xd3, 0x36, 0x69, 0x21};
static const uint8_t base_y[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	0x66, 0x66, 0x66, 0x66, 0x66, 0x66};

/* d = -121665/121666, twice. */
static struct fe twice_d(void)
{
	const struct fe a = {{121665}}, b = {{121666}};
	struct fe inverse = invert(&b), d = mul(&a, &inverse);

	d = sub(&zero, &d);
	return add(&d, &d);
}

/* Hisil, Wong, Carter, Dawson 2008: holds for all points of this curve. */
static struct point plus(const struct point *p, const struct addend *q)
{
	struct fe y_less = sub(&p->y, &p->x), y_more = add(&p->y, &p->x);
	struct fe a = mul(&y_less, &q->minus), b = mul(&y_more, &q->plus);
	struct fe c = mul(&p->t, &q->twice), d = add(&p->z, &p->z);
	struct fe e = sub(&b, &a), f = sub(&d, &c), g = add(&d, &c), h = add(&b, &a);

	return (struct point){mul(&e, &f), mul(&g, &h), mul(&f, &g), mul(&e, &h)};
}

static struct point minus(const struct point *p, const struct addend *q)
{
	const struct addend other = {q->minus, q->plus, sub(&zero, &q->twice)};

	return plus(p, &other);
}

/* ---- multiples of one point: 1 to 8 times each power of 16 of it ---- */

#define WINDOWS 64
#define DIGITS	8

struct table {
	struct addend of[WINDOWS][DIGITS];
};

static struct addend to_addend(const struct point *p, const struct fe *z_inverse)
{
	static struct fe d2;
	struct fe x = mul(&p->x, z_inverse), y = mul(&p->y, z_inverse), xy = mul(&x, &y);

	if (d2.v[0] == 0)
		d2 = twice_d();
	return (struct addend){add(&y, &x), sub(&y, &x), mul(&xy, &d2)};
}

static struct addend to_addend_alone(const struct point *p)
{
	struct fe inverse = invert(&p->z);

	return to_addend(p, &inverse);
}

static void make_table(const struct point *point, struct table *ret)
{
	struct point *all = malloc(WINDOWS * DIGITS * sizeof(*all)), unit = *point;
	struct fe *inverses = malloc(WINDOWS * DIGITS * sizeof(*inverses));

	assert(all && inverses);
	for (int i = 0; i < WINDOWS; i++) {
		struct point *row = &all[i * DIGITS];
		struct addend addend = to_addend_alone(&unit);

		row[0] = unit;
		for (int j = 1; j < DIGITS; j++)
			row[j] = plus(&row[j - 1], &addend);
		addend = to_addend_alone(&row[DIGITS - 1]);
		unit = plus(&row[DIGITS - 1], &addend);
	}
	for (int i = 0; i < WINDOWS * DIGITS; i++)
		inverses[i] = all[i].z;
	invert_all(inverses, WINDOWS * DIGITS);
	for (int i = 0; i < WINDOWS * DIGITS; i++)
		ret->of[i / DIGITS][i % DIGITS] = to_addend(&all[i], &inverses[i]);
	free(all);
	free(inverses);
}

/* Of a clamped secret (RFC 7748). */
static struct point multiply(const struct table *table, const uint8_t secret[32])
{
	struct point r = {zero, one, one, zero};
	uint8_t s[32];
	int over = 0;

	memcpy(s, secret, sizeof(s));
	s[0] &= 248;
	s[31] = (s[31] & 127) | 64;
	for (int i = 0; i < WINDOWS; i++) {
		int digit = (s[i / 2] >> (i % 2 * 4) & 15) + over;

		over = digit > DIGITS;
		digit -= over * 16;
		if (digit > 0)
			r = plus(&r, &table->of[i][digit - 1]);
		else if (digit < 0)
			r = minus(&r, &table->of[i][-digit - 1]);
	}
	return r;
}

static struct point public_of(const uint8_t secret[32])
{
	static struct table *base;

	if (!base) {
		struct point b = {load(base_x), load(base_y), one, zero};

		b.t = mul(&b.x, &b.y);
		base = malloc(sizeof(*base));
		assert(base);
		make_table(&b, base);
	}
	return multiply(base, secret);
}

void agree_with_all(
	const uint8_t own[32], const uint8_t (*others)[32], size_t count, uint8_t (*ret_shared)[32])
{
	struct point public = public_of(own);
	struct table *table = malloc(sizeof(*table));
	struct fe *above = calloc(count, sizeof(*above)), *below = calloc(count, sizeof(*below));

	assert(table && above && below);
	make_table(&public, table);
	for (size_t i = 0; i < count; i++) {
		struct point shared = multiply(table, others[i]);

		/* u = (1 + y) / (1 - y) */
		above[i] = add(&shared.z, &shared.y);
		below[i] = sub(&shared.z, &shared.y);
	}
	invert_all(below, count);
	for (size_t i = 0; i < count; i++)
		store(mul(&above[i], &below[i]), ret_shared[i]);
	free(table);
	free(above);
	free(below);
}

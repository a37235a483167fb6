#include "tests/meshsim/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/meshsim/scenario.h"

#define ANOMALIES 8 /* unless it is said otherwise, or there are fewer nodes */

static void usage(FILE *out)
{
	fputs("meshsim [--nodes N] [--seconds S] [--warm-up S] [--seed X] [--scenario NAME]\n"
	      "        [--detector NAME]\n"
	      "        [--loss P] [--latency-ms A:B] [--anomalies C --anomaly-ms D --interval-ms "
	      "I]\n"
	      "        [--anomaly-kind block|stop|cut] [--churn P] [--partition AT:HEAL]\n"
	      "        [--differ N] [--json]\n\n"
	      "Runs N nodes (128) for S seconds (60) of virtual time, after a warm-up. The same "
	      "seed\n"
	      "(1) gives the same run, bit for bit.\n\n"
	      "Scenarios:\n",
		out);
	for (const struct scenario *s = scenario_list; s->name; s++)
		fprintf(out, "  %-10s %s\n", s->name, s->about);
	fputs("\nDetectors: swim (classic SWIM), lifeguard (memberlist's), mesh (ours, the "
	      "default).\n"
	      "Loss P is a share of datagrams, 0 to 1; latency is one way, between A and B (0:1).\n"
	      "Anomalies: C nodes, drawn once, have them for D ms, then none for I ms, and again;\n"
	      "block holds a node's input and output while its timers run, stop the whole "
	      "process,\n"
	      "cut its network. Churn P: the share of the nodes that end and come back in a "
	      "minute.\n"
	      "A partition parts the mesh in two halves from second AT to HEAL.\n\n"
	      "Of up to 64 nodes with our detector every transition is checked for invariants.\n"
	      "Exit status: 0, or 1 where an invariant broke (with the seed and the virtual time), "
	      "2 usage.\n",
		out);
}

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
	va_list args;

	fputs("meshsim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(" (meshsim --help)\n", stderr);
	exit(2);
}

static int64_t whole(const char *option, const char *text, int64_t least, int64_t most)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most)
		refuse("--%s takes a number from %lld to %lld, not `%s`", option, (long long)least,
			(long long)most, text);
	return value;
}

static double share(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= 1))
		refuse("--%s takes a share from 0 to 1, not `%s`", option, text);
	return value;
}

static void pair(const char *option, const char *text, int64_t most, int64_t *ret_a, int64_t *ret_b)
{
	char *end, *rest;

	errno = 0;
	*ret_a = strtoll(text, &end, 10);
	*ret_b = *end == ':' ? strtoll(end + 1, &rest, 10) : -1;
	if (errno || end == text || *end != ':' || *rest || *ret_a < 0 || *ret_b < *ret_a ||
		*ret_b > most)
		refuse("--%s takes two numbers A:B, 0 <= A <= B <= %lld, not `%s`", option,
			(long long)most, text);
}

static const struct scenario *scenario_of(const char *name)
{
	for (const struct scenario *s = scenario_list; s->name; s++) {
		if (strcmp(s->name, name) == 0)
			return s;
	}
	fprintf(stderr, "meshsim: no scenario `%s`; there are:", name);
	for (const struct scenario *s = scenario_list; s->name; s++)
		fprintf(stderr, " %s", s->name);
	fputc('\n', stderr);
	exit(2);
}

static void take_detector(struct options *o, const char *name)
{
	static const struct {
		const char *name;
		const struct swim_mechanisms *mechanisms;
	} detectors[] = {
		{"swim", &swim_classic}, {"lifeguard", &swim_lifeguard}, {"mesh", &swim_mesh}};

	for (size_t i = 0; i < ARRAY_SIZE(detectors); i++) {
		if (strcmp(detectors[i].name, name) == 0) {
			o->detector = detectors[i].name;
			o->mechanisms = detectors[i].mechanisms;
			return;
		}
	}
	refuse("--detector takes swim, lifeguard or mesh, not `%s`", name);
}

static enum cluster_anomaly anomaly_of(const char *name)
{
	if (strcmp(name, "block") == 0)
		return CLUSTER_BLOCK;
	if (strcmp(name, "stop") == 0)
		return CLUSTER_STOP;
	if (strcmp(name, "cut") == 0)
		return CLUSTER_NONE;
	refuse("--anomaly-kind takes block, stop or cut, not `%s`", name);
}

static void take(struct options *o, const char *name, const char *value)
{
	int64_t a, b;

	if (strcmp(name, "nodes") == 0) {
		o->nodes = (int)whole(name, value, 1, OPTIONS_NODES_MAX);
	} else if (strcmp(name, "seconds") == 0) {
		o->seconds = whole(name, value, 1, OPTIONS_SECONDS_MAX);
	} else if (strcmp(name, "warm-up") == 0) {
		o->warm_up_s = whole(name, value, 0, OPTIONS_SECONDS_MAX);
	} else if (strcmp(name, "seed") == 0) {
		o->seed = (uint64_t)whole(name, value, 0, INT64_MAX);
	} else if (strcmp(name, "scenario") == 0) {
		o->scenario = scenario_of(value);
	} else if (strcmp(name, "detector") == 0) {
		take_detector(o, value);
	} else if (strcmp(name, "loss") == 0) {
		o->loss = share(name, value);
	} else if (strcmp(name, "latency-ms") == 0) {
		pair(name, value, 10000, &a, &b);
		o->latency_min_ms = (int)a;
		o->latency_max_ms = (int)b;
	} else if (strcmp(name, "anomalies") == 0) {
		o->anomalies = (int)whole(name, value, 0, OPTIONS_NODES_MAX);
	} else if (strcmp(name, "anomaly-ms") == 0) {
		o->anomaly_ms = whole(name, value, 1, 3600000);
	} else if (strcmp(name, "interval-ms") == 0) {
		o->interval_ms = whole(name, value, 0, 3600000);
	} else if (strcmp(name, "anomaly-kind") == 0) {
		o->anomaly = anomaly_of(value);
	} else if (strcmp(name, "churn") == 0) {
		o->churn = share(name, value);
	} else if (strcmp(name, "partition") == 0) {
		pair(name, value, OPTIONS_SECONDS_MAX, &o->partition_s, &o->heal_s);
	} else if (strcmp(name, "differ") == 0) {
		o->differ = whole(name, value, 0, 100000);
	} else {
		o->json = true;
	}
}

void options_parse(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {{"nodes", 1, NULL, 0}, {"seconds", 1, NULL, 0},
		{"seed", 1, NULL, 0}, {"warm-up", 1, NULL, 0}, {"scenario", 1, NULL, 0},
		{"detector", 1, NULL, 0}, {"loss", 1, NULL, 0}, {"latency-ms", 1, NULL, 0},
		{"anomalies", 1, NULL, 0}, {"anomaly-ms", 1, NULL, 0}, {"interval-ms", 1, NULL, 0},
		{"anomaly-kind", 1, NULL, 0}, {"churn", 1, NULL, 0}, {"partition", 1, NULL, 0},
		{"differ", 1, NULL, 0}, {"json", 0, NULL, 0}, {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int index, c;

	*ret = (struct options){.nodes = 128,
		.seconds = 60,
		.warm_up_s = 15, /* as Lifeguard's experiment has it */
		.seed = 1,
		.scenario = scenario_list,
		.detector = "mesh",
		.mechanisms = &swim_mesh,
		.latency_max_ms = 1,
		.anomalies = -1,
		.anomaly_ms = 8192,
		.interval_ms = 1024,
		.anomaly = CLUSTER_BLOCK,
		.churn = 0.1,
		.partition_s = 5,
		.heal_s = 35,
		.differ = 100};
	while ((c = getopt_long(argc, argv, "", names, &index)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(0);
		}
		if (c != 0)
			exit(2); /* getopt has said why */
		take(ret, names[index].name, optarg);
	}
	if (optind < argc)
		refuse("no such argument: `%s`", argv[optind]);
	if (ret->scenario->nodes_max &&
		(ret->nodes < ret->scenario->nodes_min || ret->nodes > ret->scenario->nodes_max))
		refuse("scenario %s takes --nodes from %d to %d, not %d", ret->scenario->name,
			ret->scenario->nodes_min, ret->scenario->nodes_max, ret->nodes);
	if (ret->scenario->nodes_max && ret->mechanisms != &swim_mesh)
		refuse("scenario %s looks at what our detector promises: no other --detector",
			ret->scenario->name);
	if (ret->anomalies < 0)
		ret->anomalies = ret->nodes < ANOMALIES ? ret->nodes : ANOMALIES;
	if (ret->anomalies > ret->nodes)
		refuse("--anomalies takes at most the %d nodes there are", ret->nodes);
}

#include "cli/describe.h"

#include <stdlib.h>

#include "cli/memory.h"
#include "cli/model.h"

enum screen_tint describe_state(const char *state)
{
	static const struct {
		const char *state;
		enum screen_tint tint;
	} tints[] = {
		{"alive", SCREEN_GOOD},
		{"running", SCREEN_GOOD},
		{"suspect", SCREEN_WARN},
		{"joining", SCREEN_WARN},
		{"leaving", SCREEN_WARN},
		{"dead", SCREEN_BAD},
		{"revoked", SCREEN_BAD},
		{"left", SCREEN_DIM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tints); i++) {
		if (strcmp(tints[i].state, state) == 0)
			return tints[i].tint;
	}
	return SCREEN_PLAIN;
}

const char *describe_address(const char *address, char buf[64])
{
	char *slash;

	snprintf(buf, 64, "%s", address);
	slash = strchr(buf, '/');
	if (slash && (strcmp(slash, "/32") == 0 || strcmp(slash, "/128") == 0))
		*slash = '\0';
	return buf;
}

char *describe_addresses(const json_t *object, bool brief)
{
	const json_t *list = json_object_get(object, "addresses");
	const char *shown = NULL;
	char *joined = NULL, buf[64];
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *text = json_is_string(value) ? json_string_value(value) : "";

		memory_join(&joined, " ", describe_address(text, buf));
		if (!shown || (strchr(shown, ':') && !strchr(text, ':')))
			shown = text;
	}
	if (brief && json_array_size(list) > 1) {
		free(joined);
		joined = memory_format("%s ...", describe_address(shown, buf));
	}
	return joined ? joined : memory_copy("-");
}

void describe_outcome(struct cli *cli, const json_t *result, const char *outcome)
{
	fprintf(cli->screen.out, "%s (%.8s) %s.\n", model_text(result, "name", "The node"),
		model_text(result, "id", ""), outcome);
}

void describe_warnings(struct cli *cli, const json_t *result)
{
	const json_t *list = json_object_get(result, "warnings");
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		screen_put(&cli->screen, SCREEN_WARN, "warning:");
		fprintf(cli->screen.out, " %s\n",
			json_is_string(value) ? json_string_value(value) : "");
	}
}

void describe_finding(
	struct cli *cli, const json_t *found, const char *key, int state_width, int key_width)
{
	const char *state = model_text(found, "state", "-"),
		   *advice = model_text(found, "advice", "");
	enum screen_tint tint = strcmp(state, "ok") == 0	 ? SCREEN_GOOD
				: strncmp(state, "fail", 4) == 0 ? SCREEN_BAD
								 : SCREEN_WARN;
	char *padded = memory_format("%-*s", state_width, state);

	screen_put(&cli->screen, tint, padded);
	fprintf(cli->screen.out, "  %-*s  %s\n", key_width, model_text(found, key, "-"),
		model_text(found, "finding", "-"));
	if (*advice)
		fprintf(cli->screen.out, "%*s%s\n", state_width + key_width + 4, "-> ", advice);
	free(padded);
}

void describe_belonging(struct cli *cli, const json_t *result, const char *how)
{
	const json_t *node = json_object_get(result, "node"),
		     *mesh = json_object_get(result, "mesh");
	char *addresses = describe_addresses(node, false);

	fprintf(cli->screen.out, "%s has %s mesh %s (%.8s) and has the addresses %s.\n",
		model_text(node, "name", "This node"), how, model_text(mesh, "name", ""),
		model_text(mesh, "id", ""), addresses);
	describe_warnings(cli, result);
	free(addresses);
}

#include "daemon/daemon.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "daemon/addresses.h"
#include "daemon/attach.h"
#include "daemon/backup.h"
#include "daemon/config_file.h"
#include "daemon/core.h"
#include "daemon/ctl.h"
#include "daemon/daemon_mesh.h"
#include "daemon/discover.h"
#include "daemon/events.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/recon.h"
#include "daemon/recon_keeper.h"
#include "daemon/recon_l2.h"
#include "daemon/rotate.h"
#include "daemon/statedir.h"

#define SYNCED_LOOK_MS 5000 /* how often the kernel is asked whether the clock is synchronised */

/* The rooms with a life of their own, started in this order and stopped in the other. */
static const struct daemon_part *const parts[] = {
	&attach_part,
	&recon_part,
	&recon_l2_part,
	&rotate_part,
	&discover_part,
	&ctl_part,
	&metrics_part,
};

/* ---- time ---- */

static bool clock_synced(void)
{
	struct timex timex = {0};

	return adjtimex(&timex) != -1 && !(timex.status & STA_UNSYNC);
}

const struct keys *daemon_wireguard_keys(const struct daemon *daemon)
{
	return daemon->rotated ? daemon->rotated : &daemon->keys->wireguard;
}

struct gossip_time daemon_time(struct daemon *daemon)
{
	struct gossip_time time = {.now = {(int64_t)(uv_hrtime() / 1000)}};
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	time.wall.ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
	if (mtime_reached(time.now, daemon->synced_until)) {
		daemon->synced = clock_synced();
		daemon->synced_until = mtime_add_ms(time.now, SYNCED_LOOK_MS);
	}
	time.synced = daemon->synced;
	return time;
}

/* ---- warnings ---- */

/* The reconcilers log each of their faults themselves; these three show the first of them. */
static bool logged_before(enum daemon_warning which)
{
	return which == DAEMON_WARNING_WIREGUARD || which == DAEMON_WARNING_NETWORK ||
	       which == DAEMON_WARNING_L2;
}

void daemon_warn(struct daemon *daemon, enum daemon_warning which, const char *format, ...)
{
	char text[DAEMON_WARNING_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (daemon->warnings[which] && !strcmp(daemon->warnings[which], text))
		return;
	if (!logged_before(which))
		log_warn("%s", text);
	free(daemon->warnings[which]);
	daemon->warnings[which] = strdup(text);
}

void daemon_warn_clear(struct daemon *daemon, enum daemon_warning which)
{
	if (!daemon->warnings[which])
		return;
	if (!logged_before(which))
		log_info("no longer: %s", daemon->warnings[which]);
	free(daemon->warnings[which]);
	daemon->warnings[which] = NULL;
}

/* ---- what happens ---- */

static void parts_changed(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i]->changed)
			parts[i]->changed(daemon);
	}
}

static void parts_values(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i]->values)
			parts[i]->values(daemon);
	}
}

static void parts_pong(struct daemon *daemon, uint64_t ticket, int64_t rtt_us)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i]->pong)
			parts[i]->pong(daemon, ticket, rtt_us);
	}
}

static const struct loop_hooks loop_hooks = {
	.changed = parts_changed,
	.values = parts_values,
	.joined = daemon_mesh_joined,
	.left = daemon_mesh_left,
	.key = rotate_switched,
	.pong = parts_pong,
};

void daemon_addresses_changed(struct daemon *daemon)
{
	if (daemon->addresses)
		addresses_look(daemon->addresses);
}

static void add_name(const char *section, const char *key, void *arg)
{
	char *list = arg;
	size_t used = strlen(list);

	snprintf(list + used, DAEMON_WARNING_SIZE / 2 - used, "%s[%s] %s", used ? ", " : "",
		section, key);
}

static enum config_level level_of(const struct daemon *daemon)
{
	return daemon->options.has_level ? daemon->options.level : daemon->config.level;
}

/* What takes effect at a restart only stays as it is, so that everybody sees what is in use. */
static void take_config(struct daemon *daemon, const struct config *read)
{
	struct config before = daemon->config;
	char names[DAEMON_WARNING_SIZE / 2] = "";

	config_each_needing_restart(&before, read, add_name, names);
	config_take_live(&daemon->config, read);
	log_set_level(level_of(daemon));
	if (names[0])
		daemon_warn(daemon, DAEMON_WARNING_RESTART,
			"the configuration has changed; a restart is needed for %s", names);
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_RESTART);
	addresses_look(daemon->addresses);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i]->reload)
			parts[i]->reload(daemon, &before);
	}
	daemon_wake(daemon);
}

static void reload(struct daemon *daemon)
{
	char error[CONFIG_FILE_ERROR_SIZE];
	struct config read;

	if (config_file_read(daemon->options.config, daemon->options.config_named, &read, error)) {
		daemon_warn(daemon, DAEMON_WARNING_RELOAD, "the configuration stays as it was: %s",
			error);
		return;
	}
	daemon_warn_clear(daemon, DAEMON_WARNING_RELOAD);
	log_info("configuration read again");
	take_config(daemon, &read);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	if (number == SIGHUP) {
		notify_reloading();
		reload(daemon);
		notify_ready();
		return;
	}
	log_info("ending: %s; the overlay stays up", strsignal(number));
	daemon_stop(daemon, 0);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_watchdog();
}

/* ---- the end ---- */

static void close_handle(uv_handle_t *handle)
{
	if (handle->loop && !uv_is_closing(handle))
		uv_close(handle, NULL);
}

void daemon_stop(struct daemon *daemon, int exit_status)
{
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	daemon->exit_status = exit_status;
	notify_stopping();
	for (size_t i = ARRAY_SIZE(parts); i-- > 0;) {
		if (parts[i]->stop)
			parts[i]->stop(daemon);
	}
	addresses_stop(daemon->addresses);
	if (daemon->gossip && daemon->turn)
		loop_drain(daemon);
	loop_stop(daemon);
	transport_stop(daemon->transport);
	if (daemon->state)
		state_stop(daemon->state);
	for (size_t i = 0; i < ARRAY_SIZE(daemon->signals); i++)
		close_handle((uv_handle_t *)&daemon->signals[i]);
	close_handle((uv_handle_t *)&daemon->watchdog);
}

static void release(struct daemon *daemon)
{
	for (size_t i = ARRAY_SIZE(parts); i-- > 0;) {
		if (parts[i]->free)
			parts[i]->free(daemon);
	}
	addresses_free(daemon->addresses);
	transport_free(daemon->transport);
	loop_free(daemon->turn);
	state_free(daemon->state);
	gossip_free(daemon->gossip);
	keyfile_free(daemon->keys);
	if (daemon->restored)
		backup_done(daemon->restored);
	free(daemon->restored);
	events_free(daemon->events);
	for (size_t i = 0; i < DAEMON_WARNINGS; i++)
		free(daemon->warnings[i]);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
	free(daemon);
}

/* ---- the beginning ---- */

/* What needs no loop. Logs what is wrong. */
static int open_files(struct daemon *daemon)
{
	char error[STATEDIR_ERROR_SIZE], keys_error[KEYFILE_ERROR_SIZE];

	if (statedir_open(daemon->options.state_dir, &daemon->lock_fd, error)) {
		log_error("%s", error);
		return ERR_SYSTEM;
	}
	if (keyfile_open(daemon->options.state_dir, &daemon->keys, keys_error)) {
		log_error("%s", keys_error);
		return ERR_SYSTEM;
	}
	return events_new(&daemon->events);
}

static int open_network(struct daemon *daemon)
{
	char error[TRANSPORT_ERROR_SIZE];

	if (transport_new(&daemon->loop, &daemon->config.listen, &loop_transport_events, daemon,
		    &daemon->transport, error)) {
		log_error("%s", error);
		return ERR_SYSTEM;
	}
	if (transport_without_ipv6(daemon->transport))
		daemon_warn(daemon, DAEMON_WARNING_NO_IPV6,
			"this host has no IPv6: members that have no IPv4 cannot be reached");
	return 0;
}

static int watch_signals(struct daemon *daemon)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	uint64_t watchdog_ms = notify_watchdog_ms();

	_Static_assert(ARRAY_SIZE(numbers) == ARRAY_SIZE(((struct daemon *)0)->signals), "signals");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (uv_signal_init(&daemon->loop, &daemon->signals[i]) ||
			uv_signal_start(&daemon->signals[i], on_signal, numbers[i]))
			return ERR_SYSTEM;
		daemon->signals[i].data = daemon;
	}
	uv_timer_init(&daemon->loop, &daemon->watchdog);
	if (watchdog_ms)
		uv_timer_start(&daemon->watchdog, on_watchdog, 0, watchdog_ms);
	return 0;
}

static int start_parts(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i]->start(daemon)) {
			log_error("%s could not be started", parts[i]->name);
			return ERR_SYSTEM;
		}
	}
	return 0;
}

static int start(struct daemon *daemon)
{
	int err = open_files(daemon);

	if (!err)
		err = open_network(daemon);
	if (!err)
		err = core_open(daemon);
	if (!err)
		err = loop_new(daemon, &loop_hooks, &daemon->turn);
	if (!err)
		err = state_start(daemon->state, &daemon->loop, loop_stored, loop_signed, daemon);
	if (!err)
		err = addresses_new(daemon, &daemon->addresses);
	if (!err)
		err = watch_signals(daemon);
	if (!err)
		err = start_parts(daemon);
	return err;
}

void daemon_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

int daemon_run(const struct daemon_options *options, const struct config *config)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct gossip_status status;
	uv_loop_t *loop;
	int exit_status;

	if (!daemon || uv_loop_init(&daemon->loop)) {
		log_error("no event loop: out of memory or descriptors");
		free(daemon);
		return 1;
	}
	loop = &daemon->loop;
	daemon->options = *options;
	daemon->config = *config;
	daemon->lock_fd = -1;
	daemon->started = daemon_time(daemon).wall;
	if (start(daemon)) {
		daemon_stop(daemon, 1);
	} else {
		gossip_status(daemon->gossip, &status);
		log_info("meshd %s: %s", MESHD_VERSION, gossip_state_label(status.state));
		notify_status(gossip_state_label(status.state));
		notify_ready();
		addresses_look(daemon->addresses);
		daemon_wake(daemon);
		daemon_trim();
	}
	uv_run(loop, UV_RUN_DEFAULT);
	exit_status = daemon->exit_status;
	if (uv_loop_close(loop))
		assert(!"a handle was left open");
	release(daemon);
	return exit_status;
}

int daemon_cleanup(const struct daemon_options *options, const struct config *config)
{
	char error[STATEDIR_ERROR_SIZE];
	int lock_fd = -1, failed = 0;
	pid_t keeper;
	bool kept;
	int err = statedir_open_other(options->state_dir, &lock_fd, error);

	/* The lock keeps a daemon that runs from having its interface taken away. */
	if (err && err != ERR_UNKNOWN) {
		log_error("%s", error);
		return 1;
	}
	kept = recon_keeper_find(config->interface, &keeper);
	if (kept)
		log_error("interface %s is kept by a meshd that runs, pid %d, with another state "
			  "directory: stop that one, or name the right settings with --config",
			config->interface, (int)keeper);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !kept; i++) {
		if (parts[i]->cleanup && parts[i]->cleanup(config))
			failed = 1;
	}
	if (lock_fd >= 0)
		close(lock_fd);
	return failed || kept;
}

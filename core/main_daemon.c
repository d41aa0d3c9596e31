/*
 * main_daemon.c - colibri-daemon: wires the parts together, nothing else.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "host.h"
#include "log.h"
#include "main.h"
#include "secret.h"

static void
done_cb(int status, const char *message, void *arg)
{
	struct colibri *host = arg;

	if (message[0] != '\0')
		log_error("daemon", "%s", message);
	colibri_stop(host, status);
}

/* An agent costs a descriptor; the usual soft limit would end at 1,000. */
static void
raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

int
main(int argc, char **argv)
{
	static const char *const own[] = { "check", NULL };
	struct main_args args;
	struct err e = ERR_INIT;
	struct colibri *host;
	int status;

	umask(077);
	if (main_load(argc, argv, "colibri-daemon", own, "[--check]",
	    &args, &status) != 0)
		return status;
	main_harden();
	raise_descriptors();
	log_setup(STDERR_FILENO, args.conf->log_level, args.conf->log_format);
	secret_unref(secret_new("probe", 5));
	if (!secret_locked())
		log_warn("daemon", "secrets cannot be locked in memory; raise "
		    "the limit (ulimit -l)");
	host = host_new(args.conf, NULL, &e);
	if (host == NULL) {
		log_error("daemon", "%s: %s", e.code, e.text);
		return 1;
	}
	colibri_start(host, "colibri.daemon", args.argc, args.argv, done_cb,
	    host);
	status = colibri_run(host);
	colibri_free(host);
	return status;
}

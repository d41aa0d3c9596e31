/*
 * main_run.c - colibri-run SCRIPT.lua [ARGS]: a proof, a runbook or a test in
 * the same host the daemon runs in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "log.h"
#include "main.h"

static void
done_cb(int status, const char *message, void *arg)
{
	if (message[0] != '\0')
		fprintf(stderr, "colibri-run: %s\n", message);
	colibri_stop(arg, message[0] != '\0' && status == 1 ? 2 : status);
}

int
main(int argc, char **argv)
{
	struct main_args args;
	struct err e = ERR_INIT;
	struct colibri *host;
	int status;

	umask(077);
	if (main_load(argc, argv, "colibri-run", NULL, "SCRIPT.lua [ARGS]",
	    &args, &status) != 0)
		return status;
	main_harden();
	log_setup(STDERR_FILENO, args.conf->log_level, args.conf->log_format);
	if (args.argc == 0) {
		fprintf(stderr, "colibri-run: usage: colibri-run SCRIPT.lua "
		    "[ARGS]\n");
		conf_free(args.conf);
		return 2;
	}
	host = host_new(args.conf, NULL, &e);
	if (host == NULL) {
		fprintf(stderr, "colibri-run: %s: %s\n", e.code, e.text);
		return 2;
	}
	colibri_start(host, "colibri.run", args.argc, args.argv, done_cb,
	    host);
	status = colibri_run(host);
	colibri_free(host);
	return status;
}

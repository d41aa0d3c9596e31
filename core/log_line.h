/*
 * log_line.h - the text of one log line, for log.c, which writes it.
 */
#ifndef COLIBRI_LOG_LINE_H
#define COLIBRI_LOG_LINE_H

#include "core.h"
#include "log.h"

#define LOG_LINE_MAX	8192	/* with the newline */

struct log_record {
	char ts[40];			/* 2026-11-24T01:53:10.123Z */
	enum log_level level;
	const char *topic, *msg;
	const struct log_field *fields;
	size_t nfields;
};

/* Put the finished line, redacted and without its newline, into p; what does
 * not fit is cut and the line says so. Returns the length, which leaves room
 * for the newline. */
size_t log_line(char p[LOG_LINE_MAX], const struct log_record *r,
    enum log_format format);

extern const char *const log_level_names[LOG_DEBUG + 1];

#endif

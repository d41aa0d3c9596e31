/*
 * secret_priv.h - between secret.c (the memory) and secret_redact.c (finding
 * it in texts); nobody else includes this.
 */
#ifndef COLIBRI_SECRET_PRIV_H
#define COLIBRI_SECRET_PRIV_H

#include "secret.h"

/* What one sealed secret has in the index. */
struct secret_index {
	struct secret_buf block;	/* the entries and the encoded forms */
	size_t n;
};

/* Make the value known to secret_redact(). bytes is borrowed until the drop;
 * x is all zero. */
void secret_index_add(struct secret_index *x, const unsigned char *bytes,
    size_t len);
void secret_index_drop(struct secret_index *x);

#endif

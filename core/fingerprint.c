/*
 * fingerprint.c - keyed hashes of secrets; see fingerprint.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fingerprint.h"
#include "fs.h"
#include "mem.h"
#include "siphash.h"

#define KEY_FILE_MAX	4096

/* Make the file; that it is there meanwhile is fine, too. */
static int
key_make(const char *dir, const char *name, struct err *e)
{
	const struct fs_write_spec spec = { .mode = 0600, .uid = (uid_t)-1,
	    .gid = (gid_t)-1, .exclusive = true };
	unsigned char bytes[SIPHASH_KEY_SIZE];
	struct fs_root *root;
	int rc;

	if (fs_root_open_trusted(dir, &root, e) != 0)
		return -1;
	if (getentropy(bytes, sizeof(bytes)) != 0)
		rc = err_sys(e, "WriteFailed", "random bytes for %.200s",
		    name);
	else
		rc = fs_write(root, name, bytes, sizeof(bytes), &spec, NULL,
		    e);
	secret_wipe(bytes, sizeof(bytes));
	fs_root_close(root);
	if (rc != 0 && strcmp(e->code, "Exists") == 0)
		rc = 0;
	return rc;
}

struct secret *
fingerprint_key(const char *dir, const char *name, struct err *e)
{
	struct secret_buf b = { 0 };
	struct secret *key = NULL;
	char *path = xasprintf("%s/%s", dir, name);
	int rc;

	rc = fs_read_trusted_locked(path, 077, KEY_FILE_MAX, &b, e);
	if (rc != 0 && strcmp(e->code, "NotFound") == 0) {
		rc = key_make(dir, name, e);
		if (rc == 0)
			rc = fs_read_trusted_locked(path, 077, KEY_FILE_MAX,
			    &b, e);
	}
	if (rc == 0 && b.len != SIPHASH_KEY_SIZE)
		err_set(e, "KeyDamaged", "%.400s does not hold %d bytes; "
		    "remove it and provision every tenant again", path,
		    SIPHASH_KEY_SIZE);
	else if (rc == 0) {
		/* Not sealed: it stands in no text, and a secret that lives
		 * for ever would make every reply be searched for it. */
		key = secret_alloc(b.len);
		memcpy(secret_fill(key), b.data, b.len);
	}
	secret_buf_free(&b);
	free(path);
	return key;
}

static void
add_counted(struct siphash *h, const void *bytes, size_t len)
{
	unsigned char count[8];
	int i;

	for (i = 0; i < 8; i++)
		count[i] = (unsigned char)((uint64_t)len >> 8 * i);
	siphash_add(h, count, sizeof(count));
	siphash_add(h, bytes, len);
}

void
fingerprint_of(const struct secret *key, const char *tenant, const char *name,
    const void *value, size_t len, char out[FINGERPRINT_TEXT])
{
	unsigned char hash[SIPHASH_SIZE];
	struct siphash h;
	int i;

	siphash_start(&h, (const unsigned char *)secret_bytes(key));
	add_counted(&h, tenant, strlen(tenant));
	add_counted(&h, name, strlen(name));
	add_counted(&h, value, len);
	siphash_end(&h, hash);
	for (i = 0; i < SIPHASH_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

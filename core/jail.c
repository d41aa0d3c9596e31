/*
 * jail.c - what the kernel knows about jails; see jail.h.
 */
#ifdef __FreeBSD__
#include <sys/param.h>
#include <sys/jail.h>
#include <sys/uio.h>
#include <errno.h>
#include <string.h>
#endif

#include "jail.h"

#ifdef __FreeBSD__

const char *
jail_platform(void)
{
	return "freebsd";
}

/* jail_get(2) with name and path parameters; no library is needed for two. */
int
jail_lookup(const char *name, struct jail_info *info, struct err *e)
{
	char key_name[] = "name", key_path[] = "path", value[256];
	struct iovec iov[4];
	size_t len = strlen(name);

	if (len >= sizeof(value))
		return err_set(e, "JailNotFound", "jail name is too long");
	memcpy(value, name, len + 1);
	iov[0] = (struct iovec){ key_name, sizeof(key_name) };
	iov[1] = (struct iovec){ value, len + 1 };
	iov[2] = (struct iovec){ key_path, sizeof(key_path) };
	iov[3] = (struct iovec){ info->path, sizeof(info->path) };
	info->jid = jail_get(iov, 4, 0);
	if (info->jid < 0) {
		if (errno == ENOENT)
			return err_set(e, "JailNotFound",
			    "no jail '%s' is running", name);
		return err_sys(e, "JailNotFound", "jail_get '%s'", name);
	}
	return 0;
}

#else

const char *
jail_platform(void)
{
	return "linux";
}

int
jail_lookup(const char *name, struct jail_info *info, struct err *e)
{
	(void)name;
	(void)info;
	return err_set(e, "JailUnsupported", "this system has no jails");
}

#endif

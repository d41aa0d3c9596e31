/* links: sock sock_peer mem err */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "check.h"
#include "mem.h"
#include "sock.h"

struct place {
	char dir[64];
	char run[80], path[96], lock[104];
};

static void
place_make(struct place *p)
{
	strcpy(p->dir, "/tmp/colibri-sock.XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	snprintf(p->run, sizeof(p->run), "%s/run", p->dir);
	snprintf(p->path, sizeof(p->path), "%s/sock", p->run);
	snprintf(p->lock, sizeof(p->lock), "%s.lock", p->path);
}

static void
place_remove(struct place *p)
{
	unlink(p->path);
	unlink(p->lock);
	rmdir(p->run);
	CHECK_INT(rmdir(p->dir), 0);
}

static int
mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return -1;
	return (int)(st.st_mode & 07777);
}

static int
accept_soon(int fd, struct sock_peer *peer, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK_INT(poll(&p, 1, 5000), 1);
	return sock_accept(fd, peer, e);
}

/* A socket file that nobody listens on. */
static void
make_stale(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, path);
	CHECK_INT(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	CHECK(mode_of(path) >= 0);
}

TEST(listen_connect_and_credentials)
{
	struct place p;
	struct err e = ERR_INIT;
	struct sock_peer peer;
	int fd = -1, lock = -1, client, conn;
	mode_t mask = umask(0);

	place_make(&p);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_INT(mode_of(p.run), 0750);
	CHECK_INT(mode_of(p.path), 0660);
	CHECK_INT(umask(mask), 0);
	CHECK_INT(sock_accept(fd, &peer, &e), -1);
	CHECK_INT(e.sys, EAGAIN);
	client = sock_connect(p.path, &e);
	CHECK(client >= 0);
	CHECK(fcntl(client, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(client, F_GETFD) & FD_CLOEXEC);
	conn = accept_soon(fd, &peer, &e);
	CHECK(conn >= 0);
	CHECK(fcntl(conn, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(conn, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(peer.uid, geteuid());
	CHECK_INT(peer.gid, getegid());
	CHECK(peer.pid == getpid() || peer.pid == 0);
	close(conn);
	close(client);
	sock_unlisten(p.path, fd, lock);
	CHECK_INT(mode_of(p.path), -1);
	place_remove(&p);
}

TEST(modes_do_not_depend_on_a_tight_umask)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock;
	mode_t mask;

	place_make(&p);
	mask = umask(0777);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	umask(mask);
	CHECK_INT(mode_of(p.run), 0750);
	CHECK_INT(mode_of(p.path), 0660);
	sock_unlisten(p.path, fd, lock);
	place_remove(&p);
}

TEST(second_starter_is_refused)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock, fd2, lock2, client;

	place_make(&p);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	CHECK_INT(sock_listen(p.path, &fd2, &lock2, &e), -1);
	CHECK_STR(e.code, "SocketInUse");
	CHECK_HAS(e.text, "process");
	CHECK_INT(fd2, -1);
	CHECK_INT(lock2, -1);
	client = sock_connect(p.path, &e);
	CHECK(client >= 0);
	close(client);
	sock_unlisten(p.path, fd, lock);
	place_remove(&p);
}

/* A server that takes no lock answers: it is left alone. */
TEST(live_socket_without_lock_is_left_alone)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock, fd2, lock2, client;

	place_make(&p);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	unlink(p.lock);
	CHECK_INT(sock_listen(p.path, &fd2, &lock2, &e), -1);
	CHECK_STR(e.code, "SocketInUse");
	CHECK_HAS(e.text, "answers");
	client = sock_connect(p.path, &e);
	CHECK(client >= 0);
	close(client);
	sock_unlisten(p.path, fd, lock);
	place_remove(&p);
}

TEST(stale_socket_is_replaced)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock, client;

	place_make(&p);
	CHECK_INT(mkdir(p.run, 0750), 0);
	make_stale(p.path);
	CHECK_INT(sock_connect(p.path, &e), -1);
	CHECK_STR(e.code, "DaemonUnreachable");
	CHECK_HAS(e.text, "is colibri-daemon running?");
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	client = sock_connect(p.path, &e);
	CHECK(client >= 0);
	close(client);
	sock_unlisten(p.path, fd, lock);
	place_remove(&p);
}

TEST(file_and_symlink_are_left_alone)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock;

	place_make(&p);
	CHECK_INT(mkdir(p.run, 0750), 0);
	close(open(p.path, O_CREAT | O_WRONLY, 0600));
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), -1);
	CHECK_STR(e.code, "SocketInUse");
	CHECK_HAS(e.text, "no socket");
	CHECK_INT(mode_of(p.path), 0600);
	unlink(p.path);
	CHECK_INT(symlink("/nonexistent", p.path), 0);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), -1);
	CHECK_STR(e.code, "SocketInUse");
	CHECK(mode_of(p.path) >= 0);
	place_remove(&p);
}

TEST(unlisten_leaves_another_socket_alone)
{
	struct place p;
	struct err e = ERR_INIT;
	char other[128];
	int fd, lock;

	place_make(&p);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	/* Made before ours goes, so that the inode cannot be the same. */
	snprintf(other, sizeof(other), "%s/other", p.run);
	make_stale(other);
	CHECK_INT(rename(other, p.path), 0);
	sock_unlisten(p.path, fd, lock);
	CHECK(mode_of(p.path) >= 0);
	sock_unlisten(p.path, -1, -1);
	CHECK(mode_of(p.path) >= 0);
	place_remove(&p);
}

TEST(forked_child_does_not_take_the_socket_away)
{
	struct place p;
	struct err e = ERR_INIT;
	int fd, lock, status = -1;
	pid_t pid;

	place_make(&p);
	CHECK_INT(sock_listen(p.path, &fd, &lock, &e), 0);
	pid = fork();
	if (pid == 0) {
		sock_unlisten(p.path, fd, -1);
		sock_unlisten(p.path, -1, dup(lock));
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK(mode_of(p.path) >= 0);
	sock_unlisten(p.path, fd, lock);
	CHECK_INT(mode_of(p.path), -1);
	place_remove(&p);
}

TEST(bad_paths)
{
	struct err e = ERR_INIT;
	struct place p;
	char path[200], longest[300];
	int fd, lock;

	place_make(&p);
	CHECK_INT(sock_listen("run/sock", &fd, &lock, &e), -1);
	CHECK_STR(e.code, "BadPath");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	CHECK_INT(sock_listen(longest, &fd, &lock, &e), -1);
	CHECK_STR(e.code, "BadPath");
	CHECK_INT(sock_connect(longest, &e), -1);
	CHECK_STR(e.code, "BadPath");
	snprintf(path, sizeof(path), "%s/a/b/sock", p.dir);
	CHECK_INT(sock_listen(path, &fd, &lock, &e), -1);
	CHECK_STR(e.code, "SocketFailed");
	CHECK_INT(sock_connect(path, &e), -1);
	CHECK_STR(e.code, "DaemonUnreachable");
	CHECK_INT(e.sys, ENOENT);
	snprintf(path, sizeof(path), "%s/sock", p.dir);
	CHECK_INT(symlink("/nonexistent", strcat(strcpy(p.lock, path),
	    ".lock")), 0);
	CHECK_INT(sock_listen(path, &fd, &lock, &e), -1);
	CHECK_STR(e.code, "SocketFailed");
	place_remove(&p);
}

TEST(no_peer_no_credentials)
{
	struct err e = ERR_INIT;
	struct sock_peer peer;
	int fd = open("/dev/null", O_RDONLY);

	CHECK_INT(sock_peer(fd, &peer, &e), -1);
	CHECK_STR(e.code, "SocketFailed");
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_INT(sock_peer(fd, &peer, &e), -1);
	close(fd);
}

CHECK_MAIN(
	RUN(listen_connect_and_credentials);
	RUN(modes_do_not_depend_on_a_tight_umask);
	RUN(second_starter_is_refused);
	RUN(live_socket_without_lock_is_left_alone);
	RUN(stale_socket_is_replaced);
	RUN(file_and_symlink_are_left_alone);
	RUN(unlisten_leaves_another_socket_alone);
	RUN(forked_child_does_not_take_the_socket_away);
	RUN(bad_paths);
	RUN(no_peer_no_credentials))

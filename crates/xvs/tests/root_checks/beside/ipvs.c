/*
 * What a kernel without IPVS answers to keepalived when this is preloaded: yes. Every command that changes
 * an IPVS table goes into the file of XVS_IPVS_LOG, a line each: seconds, verb, real server.
 *
 * keepalived tries generic netlink first, does not find the family, and takes the socket options of
 * include/uapi/linux/ip_vs.h.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ip_vs.h>

static void note(const char *verb, const struct ip_vs_dest_user *dest)
{
	const char *path = getenv("XVS_IPVS_LOG");
	char address[INET_ADDRSTRLEN] = "", line[128];
	struct timespec now;
	int file, length;

	if (!path)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	if (dest)
		inet_ntop(AF_INET, &dest->addr, address, sizeof(address));
	length = snprintf(line, sizeof(line), "%lld.%09ld %s %s\n", (long long)now.tv_sec, now.tv_nsec,
			  verb, address);
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (file < 0 || write(file, line, length) != length)
		abort();
	close(file);
}

int setsockopt(int socket, int level, int name, const void *value, socklen_t length)
{
	static int (*real)(int, int, int, const void *, socklen_t);
	const struct ip_vs_dest_user *dest = NULL;

	if (level != IPPROTO_IP || name < IP_VS_SO_SET_NONE || name > IP_VS_SO_SET_MAX) {
		if (!real)
			real = dlsym(RTLD_NEXT, "setsockopt");
		return real(socket, level, name, value, length);
	}
	if (length >= sizeof(struct ip_vs_service_user) + sizeof(struct ip_vs_dest_user))
		dest = (const void *)((const char *)value + sizeof(struct ip_vs_service_user));
	switch (name) {
	case IP_VS_SO_SET_ADDDEST:
		note("ADDDEST", dest);
		break;
	case IP_VS_SO_SET_DELDEST:
		note("DELDEST", dest);
		break;
	case IP_VS_SO_SET_EDITDEST:
		note("EDITDEST", dest);
		break;
	default:
		note("OTHER", NULL);
	}
	return 0;
}

int getsockopt(int socket, int level, int name, void *value, socklen_t *length)
{
	static int (*real)(int, int, int, void *, socklen_t *);

	if (level != IPPROTO_IP || name < IP_VS_BASE_CTL || name > IP_VS_SO_GET_MAX) {
		if (!real)
			real = dlsym(RTLD_NEXT, "getsockopt");
		return real(socket, level, name, value, length);
	}
	if (name == IP_VS_SO_GET_INFO && *length >= sizeof(struct ip_vs_getinfo)) {
		struct ip_vs_getinfo *info = value;

		memset(info, 0, sizeof(*info));
		info->version = IP_VS_VERSION_CODE;
		info->size = 4096;
		return 0;
	}
	/* Nothing is there yet, so keepalived adds all. */
	errno = ESRCH;
	return -1;
}

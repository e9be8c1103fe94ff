/* Ends the process with SIGKILL at the n-th call that changes a file below one directory: before the call, inside it
 * (a torn write: only a prefix of the buffer) or after it. Loaded with LD_PRELOAD; until crash_arm it only passes on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define KINDS_MAX 65536
#define PATH_BYTES 1024
#define REAL(name) ((__typeof__(&name)) real(#name))

static char directory[PATH_BYTES], report[PATH_BYTES], kinds[KINDS_MAX];
static size_t directory_length;
static atomic_long calls;
static long doomed;
static char when;
static unsigned long share;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

/* From now on count the calls below `below`; die at call `at` (0: never), and say in the file `say_in` what was cut short.
 * `which`: b before, i inside, a after; `tear` chooses how much of a torn write is written. */
void crash_arm(const char *below, const char *say_in, long at, char which, unsigned long tear) {
    snprintf(report, sizeof report, "%s", say_in);
    atomic_store(&calls, 0);
    doomed = at, when = which, share = tear;
    snprintf(directory, sizeof directory, "%s", below);
    directory_length = strlen(directory);
}

/* One letter for each call so far: w write, s sync, t truncate, u unlink, r rename, c create. */
const char *crash_kinds(void) { return kinds; }

static int is_ours(const char *path) { return directory_length && strncmp(path, directory, directory_length) == 0; }

static int name_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_BYTES - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static void die(char kind, const char *path, size_t written, size_t wanted) {
    int file = REAL(open)(report, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char line[PATH_BYTES + 128];
    int length = snprintf(line, sizeof line, "%c %c %zu %zu %s\n", when, kind, written, wanted, path);
    if (REAL(write)(file, line, length) == length) kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call; its number if it is the doomed one, else 0. */
static long begin(char kind, const char *path, size_t wanted) {
    if (!is_ours(path)) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (doomed && number > doomed) for (;;) pause();
    if (number < KINDS_MAX) kinds[number - 1] = kind;
    if (number != doomed) return 0;
    if (when == 'b' || (when == 'i' && (kind != 'w' || wanted < 2))) die(kind, path, 0, wanted);
    return number;
}

static size_t torn(size_t wanted) { return when == 'i' ? 1 + share % (wanted - 1) : wanted; }

#define AROUND(type, kind, file_path, call) \
    long number = begin(kind, file_path, 0); \
    type result = call; \
    if (number) die(kind, file_path, 0, 0); \
    return result

#define OF_FILE(type, kind, file, call) \
    char path[PATH_BYTES] = ""; \
    if (directory_length) name_of(file, path); \
    AROUND(type, kind, path, call)

#define WRITING(file, length, all, prefix) \
    char path[PATH_BYTES] = ""; \
    if (directory_length) name_of(file, path); \
    size_t wanted = length; \
    long number = begin('w', path, wanted); \
    if (!number) return all; \
    size_t part = torn(wanted); \
    ssize_t written = prefix; \
    die('w', path, written < 0 ? 0 : written, wanted); \
    return written

ssize_t write(int file, const void *data, size_t length) {
    WRITING(file, length, REAL(write)(file, data, length), REAL(write)(file, data, part));
}
ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    WRITING(file, length, REAL(pwrite)(file, data, length, at), REAL(pwrite)(file, data, part, at));
}
ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    WRITING(file, length, REAL(pwrite64)(file, data, length, at), REAL(pwrite64)(file, data, part, at));
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    size_t first = count > 0 ? parts[0].iov_len : 0;
    WRITING(file, first, REAL(writev)(file, parts, count), when == 'i' ? REAL(write)(file, parts[0].iov_base, part) : REAL(writev)(file, parts, count));
}
int ftruncate(int file, off_t length) { OF_FILE(int, 't', file, REAL(ftruncate)(file, length)); }
int ftruncate64(int file, off64_t length) { OF_FILE(int, 't', file, REAL(ftruncate64)(file, length)); }
int posix_fallocate64(int file, off64_t at, off64_t length) { OF_FILE(int, 't', file, REAL(posix_fallocate64)(file, at, length)); }
int fsync(int file) { OF_FILE(int, 's', file, REAL(fsync)(file)); }
int fdatasync(int file) { OF_FILE(int, 's', file, REAL(fdatasync)(file)); }
int unlink(const char *path) { AROUND(int, 'u', path, REAL(unlink)(path)); }
int unlinkat(int at, const char *path, int flags) { AROUND(int, 'u', path, REAL(unlinkat)(at, path, flags)); }
int rename(const char *path, const char *to) { AROUND(int, 'r', path, REAL(rename)(path, to)); }

static int creates(const char *path, int flags) {
    return (flags & O_TRUNC) || ((flags & O_CREAT) && directory_length && is_ours(path) && access(path, F_OK) != 0);
}

#define OPENING(name) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (!creates(path, flags)) return REAL(name)(path, flags, mode); \
    AROUND(int, 'c', path, REAL(name)(path, flags, mode))

int open(const char *path, int flags, ...) { OPENING(open); }
int open64(const char *path, int flags, ...) { OPENING(open64); }

/* The physical limit: what this machine's kernel lets one core do, in C.
 *
 *     limit SESSIONS MAX_MEMBERS
 *
 * One epoll loop; messages are told apart by a search for their type, nothing is
 * validated, checked for UTF-8, limited or timed, and nobody is ever let down
 * gently. It is no server to use: it is the mark to come close to.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, INPUT_BYTES = 64 * 1024, ID_BYTES = 128, NAME_BYTES = 64 };

struct member {
    struct connection *connection; /* NULL while reconnecting */
    char device[ID_BYTES + 1];
    char name[NAME_BYTES + 1];
    uint64_t joined_ms;
};

struct session {
    struct member **members; /* client-1 is the first */
    uint32_t count, room;
};

struct connection {
    int fd;
    bool upgraded;
    uint32_t kept; /* bytes of a frame, or request, that is not whole yet */
    uint8_t *rest;
    struct session *session;
    struct member *member;
};

static struct session *sessions;
static uint32_t session_count, max_members;
static uint64_t started_ms;
static uint8_t input[INPUT_BYTES];
static uint8_t owed[INPUT_BYTES]; /* pongs of one read, sent with one write */
static size_t owed_size;
static char *text; /* a message under construction; as large as the largest list */

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- SHA-1 and base64, for the handshake --------------------------------- */

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* Two blocks are enough for a key and its suffix, 60 bytes. */
static void sha1_of_60(const uint8_t *data, uint8_t *digest)
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[128] = {0};
    memcpy(blocks, data, 60);
    blocks[60] = 0x80;
    blocks[126] = 60 * 8 >> 8;
    blocks[127] = (uint8_t)(60 * 8);
    for (int block = 0; block < 2; block++) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            uint32_t word;
            memcpy(&word, blocks + 64 * block + 4 * i, 4);
            w[i] = ntohl(word);
        }
        for (int i = 16; i < 80; i++)
            w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? (b & c) | (~b & d)
                         : i < 40 ? b ^ c ^ d
                         : i < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
            static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
            uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64_of_20(const uint8_t *data, char *encoded)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 7; i++) {
        uint32_t word = (uint32_t)data[3 * i] << 16 | (uint32_t)data[3 * i + 1] << 8 |
                        (i < 6 ? data[3 * i + 2] : 0);
        for (int j = 0; j < 4; j++)
            encoded[4 * i + j] = letters[word >> (18 - 6 * j) & 63];
    }
    encoded[27] = '=';
    encoded[28] = '\0';
}

/* --- What goes out ------------------------------------------------------- */

static void write_all(struct connection *connection, const void *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection->fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return; /* its end is read next */
        if (sent > 0) {
            data = (const uint8_t *)data + sent;
            size -= (size_t)sent;
        }
    }
}

/* Write a text frame's head; return its size. */
static size_t frame_head(uint8_t *head, size_t size)
{
    head[0] = 0x81;
    if (size < 126) {
        head[1] = (uint8_t)size;
        return 2;
    }
    if (size < 1 << 16) {
        head[1] = 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        return 4;
    }
    head[1] = 127;
    for (int i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    return 10;
}

enum { HEAD_ROOM = 10 };

/* Frame what was printed at `text + HEAD_ROOM` + `before`; return its start. */
static char *framed(char *message, size_t size, size_t *whole)
{
    uint8_t head[HEAD_ROOM];
    size_t head_size = frame_head(head, size);
    memcpy(message - head_size, head, head_size);
    *whole = size + head_size;
    return message - head_size;
}

static void pong(const char *timestamp, size_t digits)
{
    char message[160];
    int size = snprintf(message, sizeof message, "{\"type\":\"pong\",\"timestamp\":%.*s}",
                        (int)digits, timestamp);
    owed_size += frame_head(owed + owed_size, (size_t)size);
    memcpy(owed + owed_size, message, (size_t)size);
    owed_size += (size_t)size;
}

static size_t print_member(char *at, const struct session *session, uint32_t index)
{
    const struct member *member = session->members[index];
    return (size_t)sprintf(
        at,
        "{\"id\":\"client-%u\",\"name\":\"%s\",\"isHost\":false,"
        "\"connectionStatus\":\"%s\",\"joinedAt\":%llu}",
        index + 1, member->name, member->connection ? "connected" : "reconnecting",
        (unsigned long long)member->joined_ms);
}

static char *member_list(const struct session *session, size_t *whole)
{
    char *start = text + HEAD_ROOM, *at = start;
    at += sprintf(at,
                  "{\"type\":\"member_list\",\"timestamp\":%llu,\"members\":["
                  "{\"id\":\"host-1\",\"name\":\"Host\",\"isHost\":true,"
                  "\"connectionStatus\":\"disconnected\",\"joinedAt\":%llu}",
                  (unsigned long long)unix_ms(), (unsigned long long)started_ms);
    for (uint32_t i = 0; i < session->count; i++) {
        *at++ = ',';
        at += print_member(at, session, i);
    }
    at += sprintf(at, "]}");
    return framed(start, (size_t)(at - start), whole);
}

static void broadcast(const struct session *session, const struct connection *but,
                      const char *frame, size_t size)
{
    for (uint32_t i = 0; i < session->count; i++) {
        struct connection *receiver = session->members[i]->connection;
        if (receiver && receiver != but)
            write_all(receiver, frame, size);
    }
}

/* --- What comes in ------------------------------------------------------- */

/* Copy a string field's value; false where it is missing or too long. */
static bool field(const char *json, const char *name, char *value, size_t most)
{
    const char *at = strstr(json, name);
    if (at == NULL)
        return false;
    at += strlen(name);
    const char *end = strchr(at, '"');
    if (end == NULL || (size_t)(end - at) > most)
        return false;
    memcpy(value, at, (size_t)(end - at));
    value[end - at] = '\0';
    return true;
}

static struct member *seat(struct session *session, const char *device, uint32_t *index)
{
    for (*index = 0; *index < session->count; ++*index)
        if (strcmp(session->members[*index]->device, device) == 0)
            return session->members[*index];
    if (session->count + 1 >= max_members)
        return NULL;
    if (session->count == session->room) {
        session->room = session->room ? 2 * session->room : 16;
        session->members = realloc(session->members, session->room * sizeof(struct member *));
    }
    struct member *member = calloc(1, sizeof *member);
    strcpy(member->device, device);
    member->joined_ms = unix_ms();
    return session->members[session->count++] = member;
}

static void join(struct connection *connection, const char *json)
{
    char id[65], device[ID_BYTES + 1], name[NAME_BYTES + 1];
    if (!field(json, "\"sessionId\":\"", id, 64) || !field(json, "\"id\":\"", device, ID_BYTES) ||
        !field(json, "\"name\":\"", name, NAME_BYTES))
        return;
    uint32_t number = (uint32_t)strtoul(id + 1, NULL, 10), index;
    if (id[0] != 'p' || number >= session_count)
        return;
    struct session *session = &sessions[number];
    struct member *member = seat(session, device, &index);
    if (member == NULL)
        return;
    if (member->connection)
        member->connection->member = NULL;
    strcpy(member->name, name);
    member->connection = connection;
    connection->session = session;
    connection->member = member;

    size_t welcome_size, list_size, joined_size;
    char welcome[512];
    int size = sprintf(welcome + HEAD_ROOM,
                       "{\"type\":\"welcome\",\"timestamp\":%llu,\"clientId\":\"client-%u\","
                       "\"sessionInfo\":{\"id\":\"%s\",\"name\":\"Party\",\"hostId\":\"host-1\"}}",
                       (unsigned long long)unix_ms(), index + 1, id);
    char *frame = framed(welcome + HEAD_ROOM, (size_t)size, &welcome_size);
    /* In front of the list, so that both leave in one write. */
    char *list = member_list(session, &list_size);
    memmove(text + welcome_size, list, list_size);
    memcpy(text, frame, welcome_size);
    write_all(connection, text, welcome_size + list_size);

    char *at = text + HEAD_ROOM;
    at += sprintf(at, "{\"type\":\"member_joined\",\"timestamp\":%llu,\"member\":",
                  (unsigned long long)unix_ms());
    at += print_member(at, session, index);
    *at++ = '}';
    frame = framed(text + HEAD_ROOM, (size_t)(at - text - HEAD_ROOM), &joined_size);
    broadcast(session, connection, frame, joined_size);
}

static void take_message(struct connection *connection, char *json)
{
    const char *type = strstr(json, "\"type\":\"");
    if (type == NULL)
        return;
    type += 8;
    if (strncmp(type, "ping\"", 5) == 0) {
        const char *stamp = strstr(json, "\"timestamp\":");
        if (stamp)
            pong(stamp + 12, strspn(stamp + 12, "0123456789.-+eE"));
    } else if (strncmp(type, "join\"", 5) == 0) {
        join(connection, json);
    }
}

static void end(struct connection *connection)
{
    struct member *member = connection->member;
    close(connection->fd);
    if (member) {
        size_t size;
        member->connection = NULL;
        char *list = member_list(connection->session, &size);
        broadcast(connection->session, connection, list, size);
    }
    free(connection->rest);
    free(connection);
}

/* Take one frame; return the bytes it took, 0 where it is not whole. */
static size_t take_frame(struct connection *connection, uint8_t *data, size_t size)
{
    size_t head = 6, length;
    if (size < 2)
        return 0;
    length = data[1] & 0x7f;
    if (length == 126)
        head = 8;
    if (size < head)
        return 0;
    if (length == 126)
        length = (size_t)data[2] << 8 | data[3];
    if (size < head + length)
        return 0;
    uint8_t *mask = data + head - 4, *payload = data + head;
    for (size_t i = 0; i < length; i++)
        payload[i] ^= mask[i & 3];
    if ((data[0] & 0x0f) == 1) {
        uint8_t next = payload[length];
        payload[length] = '\0';
        take_message(connection, (char *)payload);
        payload[length] = next;
    }
    return head + length;
}

static size_t upgrade(struct connection *connection, uint8_t *data, size_t size)
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    *end = '\0';
    char *key = strcasestr((char *)data, "sec-websocket-key: ");
    if (key == NULL)
        return 0;
    uint8_t hashed[60], digest[20];
    char accept[29], answer[256];
    memcpy(hashed, key + 19, 24);
    memcpy(hashed + 24, suffix, 36);
    sha1_of_60(hashed, digest);
    base64_of_20(digest, accept);
    int length = sprintf(answer,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                         accept);
    connection->upgraded = true;
    write_all(connection, answer, (size_t)length);
    return (size_t)(end - data) + 4;
}

static void take_input(struct connection *connection)
{
    size_t kept = connection->kept;
    memcpy(input, connection->rest, kept);
    /* One byte of room behind it: a text is ended there for a moment. */
    ssize_t received = recv(connection->fd, input + kept, sizeof input - kept - 1, 0);
    if (received <= 0) {
        end(connection);
        return;
    }
    uint8_t *data = input;
    size_t size = kept + (size_t)received, taken;
    free(connection->rest);
    connection->rest = NULL;
    connection->kept = 0;
    do {
        taken = connection->upgraded ? take_frame(connection, data, size)
                                     : upgrade(connection, data, size);
        data += taken;
        size -= taken;
        if (owed_size > sizeof owed - 256 || (taken == 0 && owed_size > 0)) {
            write_all(connection, owed, owed_size);
            owed_size = 0;
        }
    } while (taken > 0);
    if (size > 0) {
        connection->rest = malloc(size);
        connection->kept = (uint32_t)size;
        memcpy(connection->rest, data, size);
    }
}

static void take_connections(int listening, int poll_fd)
{
    int fd, on = 1;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fputs("usage: limit SESSIONS MAX_MEMBERS\n", stderr);
        return 2;
    }
    session_count = (uint32_t)atoi(arguments[1]);
    max_members = (uint32_t)atoi(arguments[2]);
    sessions = calloc(session_count, sizeof *sessions);
    text = malloc(1024 + (size_t)max_members * (NAME_BYTES + 160));
    started_ms = unix_ms();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    bind(listening, (struct sockaddr *)&address, sizeof address);
    listen(listening, 4096);
    getsockname(listening, (struct sockaddr *)&address, &size);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    int poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                take_input(events[i].data.ptr);
            else
                take_connections(listening, poll_fd);
        }
    }
}

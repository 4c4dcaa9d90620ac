#define _GNU_SOURCE
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, EVENTS = 1024, MOST_TEXT = 2048 };

static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

static int poll_fd;
static struct sockaddr_in server;
static enum dialect speaks;
static struct listener listens;
static uint8_t input[READ_BYTES];
static uint64_t idle_ns;

uint64_t network_idle_ns(void)
{
    return idle_ns;
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static void fail_at_call(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

void network_start(uint16_t port, enum dialect dialect, struct listener listener)
{
    poll_fd = epoll_create1(0);
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    speaks = dialect;
    listens = listener;
}

/* --- What goes out ------------------------------------------------------- */

static size_t frame_text(uint8_t *frame, const char *text, size_t size)
{
    size_t head = 2;
    frame[0] = 0x81;
    if (size < 126) {
        frame[1] = 0x80 | (uint8_t)size;
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(size >> 8);
        frame[3] = (uint8_t)size;
        head = 4;
    }
    memcpy(frame + head, MASK, 4);
    for (size_t i = 0; i < size; i++)
        frame[head + 4 + i] = (uint8_t)text[i] ^ MASK[i & 3];
    return head + 4 + size;
}

void connection_write(struct connection *connection, const uint8_t *bytes, size_t size)
{
    /* A client sends a few hundred bytes: where they don't fit into the
     * socket's buffer, the server has stopped reading. */
    ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);
    if (sent != (ssize_t)size)
        fail("the server took nothing more");
}

static void send_text(struct connection *connection, const char *text)
{
    uint8_t frame[MOST_TEXT];
    connection_write(connection, frame, frame_text(frame, text, strlen(text)));
}

size_t frame_message(uint8_t *frame, const char *text, size_t size)
{
    char event[MOST_TEXT];
    if (speaks == PLAIN)
        return frame_text(frame, text, size);
    int length = snprintf(event, sizeof event, "42[\"message\",%.*s]", (int)size, text);
    return frame_text(frame, event, (size_t)length);
}

void connection_send(struct connection *connection, const char *text, size_t size)
{
    uint8_t frame[MOST_TEXT];
    connection_write(connection, frame, frame_message(frame, text, size));
}

static void send_pong(struct connection *connection, const uint8_t *payload, size_t size)
{
    uint8_t frame[6 + 125] = {0x8a, 0x80 | (uint8_t)size, MASK[0], MASK[1], MASK[2], MASK[3]};
    for (size_t i = 0; i < size; i++)
        frame[6 + i] = payload[i] ^ MASK[i & 3];
    connection_write(connection, frame, 6 + size);
}

/* --- Opening and dropping ------------------------------------------------ */

void connection_open(struct connection *connection)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        fail_at_call("no socket (raise the limit on open files)");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->fd = fd;
    connection->upgraded = connection->joined = false;
    connection->in_flight = connection->kept = 0;
    connection->skip = 0;
    connection->started_ns = now_ns();
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail_at_call("can't connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

void connection_drop(struct connection *connection)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(connection->fd);
    connection->fd = -1;
}

static void ask_for_upgrade(struct connection *connection)
{
    char request[512];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        errno = error;
        fail_at_call("can't connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    /* The headers a browser sends, so that a parser has what it has in life. */
    int length = snprintf(
        request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: load/1.0\r\n"
        "Upgrade: websocket\r\nOrigin: http://127.0.0.1:%u\r\nSec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        speaks == SOCKET_IO ? "/socket.io/?EIO=4&transport=websocket" : "/ws",
        ntohs(server.sin_port), ntohs(server.sin_port));
    connection_write(connection, (uint8_t *)request, (size_t)length);
}

/* --- What comes in ------------------------------------------------------- */

static enum kind kind_of(const uint8_t *payload, size_t size)
{
    static const char *const names[] = {
        "welcome\"", "member_list\"", "member_joined\"", "member_left\"", "pong\""};
    const uint8_t *type = memmem(payload, size, "\"type\"", 6);
    if (type == NULL)
        return OTHER;
    const uint8_t *end = payload + size;
    for (type += 6; type < end && *type != '"'; type++)
        ;
    type++;
    for (enum kind kind = WELCOME; kind < OTHER; kind++) {
        size_t length = strlen(names[kind]);
        if ((size_t)(end - type) >= length && memcmp(type, names[kind], length) == 0)
            return kind;
    }
    return OTHER;
}

static void take_text(struct connection *connection, const uint8_t *payload, size_t size)
{
    if (speaks == SOCKET_IO && size > 0 && payload[0] == '0') {
        send_text(connection, "40");
        return;
    }
    if (speaks == SOCKET_IO && size > 0 && payload[0] == '2') {
        send_text(connection, "3");
        return;
    }
    if (speaks == SOCKET_IO && size > 1 && memcmp(payload, "40", 2) == 0) {
        listens.upgraded(connection);
        return;
    }
    enum kind kind = kind_of(payload, size);
    if (kind == OTHER) {
        fprintf(stderr, "load: unexpected: %.*s\n", (int)size, payload);
        fail("the server refused something");
    }
    listens.message(connection, kind);
}

/* Take one frame off the front of `data`; return the bytes it took, 0 where
 * more is needed to tell what it is. */
static size_t take_frame(struct connection *connection, const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t head = 2, length = data[1] & 0x7f;
    if (length == 126)
        head = 4;
    else if (length == 127)
        head = 10;
    if (size < head)
        return 0;
    if (head > 2) {
        length = 0;
        for (size_t i = 2; i < head; i++)
            length = length << 8 | data[i];
    }
    /* Enough to tell the kind and, of control frames, all there is. */
    size_t shown = length < KEPT_BYTES - 10 ? length : KEPT_BYTES - 10;
    size_t here = size - head;
    if (here < shown)
        return 0;
    int opcode = data[0] & 0x0f;
    if (opcode == 1)
        take_text(connection, data + head, here < length ? here : length);
    else if (opcode == 9)
        send_pong(connection, data + head, length);
    else if (opcode == 8)
        fail("the server closed a connection");
    if (here < length) {
        connection->skip = length - here;
        return size;
    }
    return head + length;
}

static void take_frames(struct connection *connection, const uint8_t *data, size_t size)
{
    while (size > 0 && connection->fd >= 0) {
        if (connection->skip > 0) {
            size_t skipped = size < connection->skip ? size : connection->skip;
            connection->skip -= skipped;
            data += skipped;
            size -= skipped;
            continue;
        }
        if (connection->kept == 0) {
            size_t taken = take_frame(connection, data, size);
            if (taken == 0) {
                memcpy(connection->head, data, size);
                connection->kept = (uint32_t)size;
                return;
            }
            data += taken;
            size -= taken;
            continue;
        }
        /* The rest of a head: put just enough behind what was kept. */
        size_t before = connection->kept;
        size_t added = KEPT_BYTES - before < size ? KEPT_BYTES - before : size;
        memcpy(connection->head + before, data, added);
        connection->kept = 0;
        size_t taken = take_frame(connection, connection->head, before + added);
        if (taken == 0) {
            connection->kept = (uint32_t)(before + added);
            return;
        }
        data += taken - before;
        size -= taken - before;
    }
}

static void take_answer(struct connection *connection, const uint8_t *data, size_t size)
{
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    if (size < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0 || end == NULL) {
        fail("the server did not upgrade");
    }
    connection->upgraded = true;
    if (speaks == PLAIN)
        listens.upgraded(connection);
    end += 4;
    take_frames(connection, end, size - (size_t)(end - data));
}

static void take_input(struct connection *connection)
{
    ssize_t size = recv(connection->fd, input, sizeof input, 0);
    if (size < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return; /* the event was an earlier socket's, dropped in this turn */
    if (size <= 0)
        fail("the server ended a connection");
    if (connection->upgraded)
        take_frames(connection, input, (size_t)size);
    else
        take_answer(connection, input, (size_t)size);
}

void network_turn(uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t asked_ns = now_ns(), answered_ns;
    int count;
    do {
        count = epoll_wait(poll_fd, events, EVENTS, 0);
        answered_ns = now_ns();
        if (count == 0)
            idle_ns += answered_ns - asked_ns;
        asked_ns = answered_ns;
    } while (count == 0 && answered_ns < until_ns);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->fd < 0)
            continue;
        if (events[i].events & EPOLLOUT)
            ask_for_upgrade(connection);
        else
            take_input(connection);
    }
}

/* The load: one workload against one server, its figures as one JSON object.
 *
 *     load WORKLOAD PORT PID plain|socket.io [MEMBERS [EXTRA [SECONDS]]]
 *
 * PID is the server's process, whose CPU time and memory are measured. Sessions
 * p0, p1, … are open there. Anything unexpected ends the run with exit code 1:
 * a refusal, a closed connection, a broadcast too many or too few.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "measure.h"

enum { PARTY = 10, MOST_MEMBERS = 20000, STORM_IN_FLIGHT = 256, BEAT_S = 5 };
enum { DEADLINE_S = 120, MOST_IN_FLIGHT = 40 };

static const uint64_t S = 1000000000;

static struct connection members[MOST_MEMBERS];
static uint32_t party_size = PARTY;
static int server_pid;
static uint64_t heard[KINDS]; /* messages by kind, over all connections */
static uint64_t deadline_ns;
static uint32_t ping_seconds;
static uint64_t first_ns;     /* the first MEMBER_JOINED since it was set to 0 */

static uint32_t joined_count; /* has its own MEMBER_LIST */
static void (*when_pong)(struct connection *);

/* --- Joining ------------------------------------------------------------- */

static void send_join(struct connection *connection)
{
    char text[256];
    int size = snprintf(
        text, sizeof text,
        "{\"type\":\"join\",\"timestamp\":1706889600000,\"sessionId\":\"p%u\","
        "\"deviceInfo\":{\"id\":\"device-%05u\",\"name\":\"Member %u\",\"type\":\"client\"}}",
        connection->number / party_size, connection->number, connection->number);
    connection_send(connection, text, (size_t)size);
}

static void take_message(struct connection *connection, enum kind kind)
{
    heard[kind]++;
    if (kind == MEMBER_JOINED && first_ns == 0)
        first_ns = now_ns();
    if (kind == PONG) {
        when_pong(connection);
    } else if (kind == MEMBER_LIST && !connection->joined) {
        connection->joined = true;
        joined_count++;
        note_ns(now_ns() - connection->started_ns);
    }
}

static void turn(uint64_t until_ns)
{
    if (now_ns() > deadline_ns)
        fail("the server did not do its part in time");
    network_turn(until_ns < deadline_ns ? until_ns : deadline_ns);
}

static void wait_ns(uint64_t duration_ns)
{
    for (uint64_t end = now_ns() + duration_ns; now_ns() < end;)
        turn(end);
}

/* Let members `from` to `to` join, `in_flight` of them at a time, and wait until
 * every broadcast that follows from it has arrived. */
static void join_all(uint32_t from, uint32_t to, uint32_t in_flight, uint64_t broadcasts)
{
    uint32_t opened = from;
    uint64_t expected = heard[MEMBER_JOINED] + broadcasts;
    joined_count = from;
    while (joined_count < to || heard[MEMBER_JOINED] < expected) {
        for (; opened < to && opened - joined_count < in_flight; opened++) {
            members[opened].number = opened;
            connection_open(&members[opened]);
        }
        turn(UINT64_MAX);
    }
    if (heard[MEMBER_JOINED] != expected)
        fail("a broadcast came twice");
}

static uint64_t pairs(uint32_t count)
{
    return (uint64_t)count * (count - 1) / 2;
}

static uint64_t broadcasts_of(uint32_t count)
{
    return count / party_size * pairs(party_size) + pairs(count % party_size);
}

static void join_quietly(uint32_t count)
{
    join_all(0, count, STORM_IN_FLIGHT, broadcasts_of(count));
    wait_ns(S);
}

/* --- Workloads ----------------------------------------------------------- */

static void storm(uint32_t count, uint32_t unused)
{
    (void)unused;
    measure_start(server_pid);
    join_all(0, count, STORM_IN_FLIGHT, broadcasts_of(count));
    measure_stop();
    report_stretch(count);
    report_percentiles();
}

static uint8_t beat[4096]; /* HEARTBEAT and PING, or several PINGs, as frames */
static size_t beat_size;
static uint32_t per_beat;
static bool goes_on;

static void add_to_beat(const char *type)
{
    char text[128];
    int size = snprintf(text, sizeof text, "{\"type\":\"%s\",\"timestamp\":1706889650000}", type);
    beat_size += frame_message(beat + beat_size, text, (size_t)size);
}

static void send_beat(struct connection *connection, uint32_t pings)
{
    connection->asked_ns = now_ns();
    connection->in_flight = pings;
    connection_write(connection, beat, beat_size);
}

static void note_pong(struct connection *connection)
{
    if (connection->in_flight-- == 0)
        fail("a pong too many");
    note_ns(now_ns() - connection->asked_ns);
}

static void note_pong_and_ask_again(struct connection *connection)
{
    note_pong(connection);
    if (connection->in_flight == 0 && goes_on)
        send_beat(connection, per_beat);
}

/* HEARTBEAT and PING of everybody every 5 s, evenly spread. */
static void steady(uint32_t count, uint32_t seconds)
{
    join_quietly(count);
    when_pong = note_pong;
    add_to_beat("heartbeat");
    add_to_beat("ping");
    uint64_t beats = (uint64_t)count * seconds / BEAT_S, sent = 0;
    measure_start(server_pid);
    uint64_t start = now_ns();
    while (sent < beats || heard[PONG] < beats) {
        uint64_t due = start + sent * BEAT_S * S / count;
        for (; sent < beats && now_ns() >= due; due = start + sent * BEAT_S * S / count)
            send_beat(&members[sent++ % count], 1);
        turn(sent < beats ? due : UINT64_MAX);
    }
    wait_ns(start + seconds * S > now_ns() ? start + seconds * S - now_ns() : 0);
    measure_stop();
    report_stretch((uint64_t)count * seconds);
    report_percentiles();
}

/* Each connection asks again when all its pings are answered. */
static void ping(uint32_t count, uint32_t in_flight)
{
    join_quietly(count);
    when_pong = note_pong_and_ask_again;
    per_beat = in_flight;
    if (in_flight > MOST_IN_FLIGHT)
        fail("too many pings in flight");
    for (uint32_t i = 0; i < in_flight; i++)
        add_to_beat("ping");
    goes_on = true;
    for (uint32_t i = 0; i < count; i++)
        send_beat(&members[i], in_flight);
    wait_ns(S / 2);
    measure_start(server_pid);
    uint64_t before = heard[PONG];
    wait_ns(ping_seconds * S);
    measure_stop();
    report_stretch(heard[PONG] - before);
    report_percentiles();
}

/* `count` members into one session, all at once. */
static void room_join(uint32_t count, uint32_t unused)
{
    (void)unused;
    party_size = MOST_MEMBERS;
    measure_start(server_pid);
    join_all(0, count, count, pairs(count));
    measure_stop();
    report_stretch(count);
}

/* `more` members join a session of `count`, all at once; then, not counted in
 * the deliveries, one alone, whose broadcast is timed from first to last. */
static void room_broadcast(uint32_t count, uint32_t more)
{
    party_size = MOST_MEMBERS;
    join_all(0, count, STORM_IN_FLIGHT, pairs(count));
    wait_ns(S);
    uint64_t deliveries = pairs(count + more) - pairs(count);
    measure_start(server_pid);
    join_all(count, count + more, more, deliveries);
    measure_stop();
    report_stretch(deliveries);
    enum { ALONE = 10 };
    uint64_t spread_ns = 0;
    for (uint32_t i = count + more; i < count + more + ALONE; i++) {
        wait_ns(S / 10);
        first_ns = 0;
        join_all(i, i + 1, 1, i);
        spread_ns += now_ns() - first_ns;
    }
    report("spread_us", (double)spread_ns / 1e3 / ALONE);
}

/* Connections are reset, and their devices come back at once: `drops` times.
 * What the others are told of it meanwhile is received and not counted: lists of
 * statuses may be gathered. */
static void churn(uint32_t count, uint32_t drops)
{
    enum { IN_FLIGHT = 64 };
    join_quietly(count);
    uint32_t dropped = 0, parties = count / party_size;
    measure_start(server_pid);
    joined_count = 0;
    while (joined_count < drops) {
        for (; dropped < drops && dropped - joined_count < IN_FLIGHT; dropped++) {
            /* One of each party after the other, not a whole party at once. */
            uint32_t which = dropped % count;
            struct connection *member =
                &members[which % parties * party_size + which / parties];
            connection_drop(member);
            connection_open(member);
        }
        turn(UINT64_MAX);
    }
    measure_stop();
    report_stretch(drops);
    report_percentiles();
}

/* Members that have joined and do nothing more. */
static void memory(uint32_t count, uint32_t unused)
{
    (void)unused;
    double before_kb = resident_kb(server_pid);
    join_quietly(count);
    wait_ns(S);
    report("empty_kb", before_kb);
    report("per_member_kb", (resident_kb(server_pid) - before_kb) / count);
}

static const struct workload {
    const char *name;
    void (*run)(uint32_t, uint32_t);
    uint32_t members, extra, seconds;
} workloads[] = {
    {"storm", storm, 5000, 0, 0},
    {"steady", steady, 5000, 15, 0},
    {"ping", ping, 1000, 1, 3},
    {"room-join", room_join, 1000, 0, 0},
    {"room-broadcast", room_broadcast, 1000, 50, 0},
    {"churn", churn, 2000, 4000, 0},
    {"memory", memory, 10000, 0, 0},
};

static uint32_t number(const char *text, uint32_t most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value > most)
        fail("a number is out of range");
    return (uint32_t)value;
}

int main(int count, char **arguments)
{
    if (count < 5)
        fail("usage: load WORKLOAD PORT PID plain|socket.io [MEMBERS [EXTRA [SECONDS]]]");
    const struct workload *workload = NULL;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(workloads[i].name, arguments[1]) == 0)
            workload = &workloads[i];
    if (workload == NULL)
        fail("there is no such workload");
    server_pid = (int)number(arguments[3], UINT32_MAX);
    enum dialect dialect = strcmp(arguments[4], "socket.io") == 0 ? SOCKET_IO : PLAIN;
    network_start((uint16_t)number(arguments[2], UINT16_MAX), dialect,
                  (struct listener){send_join, take_message});
    deadline_ns = now_ns() + DEADLINE_S * S;
    ping_seconds = count > 7 ? number(arguments[7], DEADLINE_S) : workload->seconds;
    workload->run(count > 5 ? number(arguments[5], MOST_MEMBERS) : workload->members,
                  count > 6 ? number(arguments[6], UINT32_MAX) : workload->extra);
    report_end();
    return 0;
}

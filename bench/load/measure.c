#define _GNU_SOURCE
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connection.h"

static clockid_t server_clock;
static uint64_t started_ns, wall_ns;
static double server_cpu_s;
static uint64_t idle_ns;
static int reported;

static uint64_t *noted;
static size_t noted_count, noted_room;

static double cpu_s(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        fail("the server's process is gone");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void measure_start(int server_pid)
{
    if (clock_getcpuclockid(server_pid, &server_clock) != 0)
        fail("there is no such server process");
    noted_count = 0;
    server_cpu_s = cpu_s(server_clock);
    idle_ns = network_idle_ns();
    started_ns = now_ns();
}

void measure_stop(void)
{
    wall_ns = now_ns() - started_ns;
    server_cpu_s = cpu_s(server_clock) - server_cpu_s;
    idle_ns = network_idle_ns() - idle_ns;
}

void report(const char *name, double value)
{
    printf("%s\"%s\": %.9g", reported++ ? ", " : "{", name, value);
}

void report_stretch(uint64_t operations)
{
    double wall_s = (double)wall_ns / 1e9;
    report("wall_s", wall_s);
    report("operations", (double)operations);
    report("per_s", (double)operations / wall_s);
    report("cpu_us", server_cpu_s * 1e6 / (double)operations);
    report("server_busy", server_cpu_s / wall_s);
    report("load_busy", 1 - (double)idle_ns / (double)wall_ns);
}

void note_ns(uint64_t nanoseconds)
{
    if (noted_count == noted_room) {
        noted_room = noted_room ? 2 * noted_room : 1 << 16;
        noted = realloc(noted, noted_room * sizeof *noted);
        if (noted == NULL)
            fail("no memory");
    }
    noted[noted_count++] = nanoseconds;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(size_t per_thousand)
{
    size_t rank = noted_count * per_thousand / 1000;
    return (double)noted[rank < noted_count ? rank : noted_count - 1] / 1e3;
}

void report_percentiles(void)
{
    if (noted_count == 0)
        return;
    qsort(noted, noted_count, sizeof *noted, by_size);
    report("p50_us", percentile_us(500));
    report("p99_us", percentile_us(990));
    report("p999_us", percentile_us(999));
}

double resident_kb(int pid)
{
    char path[64], line[256];
    double kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        fail("the server's process is gone");
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %lf", &kb) == 1)
            break;
    fclose(status);
    return kb;
}

void report_end(void)
{
    puts("}");
}

/* What is read off the clock and the operating system. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* The measured stretch: CPU time of the server's process (user + system, all
 * of its threads), wall-clock time, and how much of it the load had work to do. */
void measure_start(int server_pid);
void measure_stop(void);

/* One figure of the result, in the order of the calls. */
void report(const char *name, double value);

/* The measured stretch, and so many operations in it. */
void report_stretch(uint64_t operations);

/* Percentiles of noted times, in microseconds. */
void note_ns(uint64_t nanoseconds);
void report_percentiles(void);

double resident_kb(int pid);
void report_end(void);

#endif

#include "server/commands/progress.h"

#include <inttypes.h>
#include <string.h>

#include "model/base/clock.h"

enum { REDRAW_US = 100000, MAX_BAR = 40, MIN_BAR = 5 };

void progress_init(struct progress *progress, const char *label, enum progress_unit unit,
                   uint64_t first, uint64_t total)
{
    *progress = (struct progress){.terminal = terminal_probe(stderr),
                                  .label = label,
                                  .unit = unit,
                                  .first = first,
                                  .total = total,
                                  .start_us = clock_now_us()};
}

void progress_format_bytes(uint64_t bytes, char *ret_text, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        (void)snprintf(ret_text, size, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    (void)snprintf(ret_text, size, "%.*f %s", value < 100 ? 1 : 0, value, units[unit]);
}

static void format_amount(const struct progress *progress, uint64_t amount, char *ret_text,
                          size_t size)
{
    if (progress->unit == PROGRESS_BYTES)
        progress_format_bytes(amount, ret_text, size);
    else
        (void)snprintf(ret_text, size, "%" PRIu64, amount);
}

/* "1:05", "2:00:00". */
static void format_time(double seconds, char *ret_text, size_t size)
{
    uint64_t whole = seconds < 360000 ? (uint64_t)(seconds + 0.5) : 360000;
    if (whole >= 3600)
        (void)snprintf(ret_text, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, whole / 3600,
                       whole / 60 % 60, whole % 60);
    else
        (void)snprintf(ret_text, size, "%" PRIu64 ":%02" PRIu64, whole / 60, whole % 60);
}

/* " 120/3925  35.1 images/s  1:48 left", into `ret_text`. */
static void format_numbers(const struct progress *progress, uint64_t done, double seconds,
                           char *ret_text, size_t size)
{
    char done_text[32], total_text[32], rate_text[48] = "", left_text[32] = "";
    double rate =
        seconds > 0 && done > progress->first ? (double)(done - progress->first) / seconds : 0;
    format_amount(progress, done, done_text, sizeof done_text);
    format_amount(progress, progress->total, total_text, sizeof total_text);
    if (rate > 0 && progress->unit == PROGRESS_BYTES) {
        char bytes[32];
        progress_format_bytes((uint64_t)rate, bytes, sizeof bytes);
        (void)snprintf(rate_text, sizeof rate_text, "  %s/s", bytes);
    } else if (rate > 0) {
        (void)snprintf(rate_text, sizeof rate_text, "  %.1f images/s", rate);
    }
    if (rate > 0 && done < progress->total)
        format_time((double)(progress->total - done) / rate, left_text, sizeof left_text);
    (void)snprintf(ret_text, size, "%s%s%s%s%s%s%s", done_text, progress->total ? "/" : "",
                   progress->total ? total_text : "", rate_text, *left_text ? "  " : "", left_text,
                   *left_text ? " left" : "");
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    progress->total = total;
    uint64_t now_us = clock_now_us();
    bool is_last = total && done >= total;
    if (!progress->terminal.has_redraw ||
        (progress->is_drawn && !is_last && now_us - progress->drawn_us < REDRAW_US))
        return;
    progress->drawn_us = now_us;
    progress->is_drawn = true;

    char numbers[160], bar[3 * MAX_BAR + 1] = "";
    format_numbers(progress, done, (double)(now_us - progress->start_us) / 1e6, numbers,
                   sizeof numbers);
    size_t taken = terminal_width(progress->label) + strlen(numbers) + 6;
    size_t columns = progress->terminal.columns;
    size_t space = columns > taken ? columns - taken : 0;
    if (total && space >= MIN_BAR) {
        unsigned width = space < MAX_BAR ? (unsigned)space : MAX_BAR;
        terminal_bar(&progress->terminal, (double)done / (double)total, width, bar);
    }
    /* "\033[K" clears what a longer line has left behind. */
    fprintf(stderr, "\r%s%s%s%s %s\033[K", progress->label, *bar ? " [" : "", bar, *bar ? "]" : "",
            numbers);
    (void)fflush(stderr);
}

void progress_fini(struct progress *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", stderr);
    progress->is_drawn = false;
}

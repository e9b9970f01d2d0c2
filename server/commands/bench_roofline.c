#include "server/commands/bench_roofline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/base/output_file.h"
#include "server/commands/terminal.h"

/* All in the picture's own pixels. */
enum {
    WIDTH = 1080,
    HEIGHT = 760,
    LEFT = 76,
    RIGHT = 1050,
    TOP = 92,
    BOTTOM = 640,
    LABEL_COUNT = 8,
    LABEL_HEIGHT = 15,
    GLYPH_WIDTH = 7, /* of the labels' font, on average */
    MAX_BOXES = 512,
    TRIES_ROUND = 16, /* places that are tried around a dot at one distance */
    TRIES = 20 * TRIES_ROUND,
};

/* What a label may not lie upon. */
struct box {
    double left, top, right, bottom;
};

struct picture {
    FILE *file;
    const struct bench_profile *profile;
    double min_x, max_x, min_y, max_y; /* decimal logarithms */
    struct box boxes[MAX_BOXES];
    size_t box_count;
};

static const char style[] =
    "<style>\n"
    "svg{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#59636e;--grid:#e7eaee;"
    "--roof:#30363d;--stem:#8250df;--s0:#0969da;--s1:#1a7f37;--s2:#bf8700;--s3:#cf222e;"
    "--head:#57606a}\n"
    "@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;"
    "--grid:#21262d;--roof:#c9d1d9;--stem:#c297ff;--s0:#58a6ff;--s1:#3fb950;--s2:#e3b341;"
    "--s3:#ff7b72;--head:#8b949e}}\n"
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px;"
    "fill:var(--soft)}\n"
    ".title{font-size:19px;font-weight:600;fill:var(--ink)}.sub{font-size:13px}"
    ".label{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px;"
    "stroke-linejoin:round}\n"
    ".roofname{fill:var(--roof);paint-order:stroke;stroke:var(--paper);stroke-width:4px;"
    "stroke-linejoin:round}\n"
    ".grid{stroke:var(--grid);stroke-width:1}.roof{stroke:var(--roof);stroke-width:2;fill:none}"
    ".other{stroke-width:1.2;stroke-dasharray:5 4;opacity:.6}\n"
    ".dot{fill-opacity:.62;stroke:var(--paper);stroke-width:1}"
    ".lead{stroke:var(--soft);stroke-width:.8}\n"
    ".stem{fill:var(--stem)}.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}"
    ".s3{fill:var(--s3)}.head{fill:var(--head)}\n"
    "</style>\n";

/* XML's own characters are escaped; control characters terminal_clean has taken. */
static void put_text(FILE *file, const char *text)
{
    char clean[512];
    terminal_clean(text, clean, sizeof clean);
    for (const char *at = clean; *at; at++) {
        switch (*at) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc(*at, file);
        }
    }
}

static double place_x(const struct picture *picture, double intensity)
{
    double share = (log10(intensity) - picture->min_x) / (picture->max_x - picture->min_x);
    return LEFT + share * (RIGHT - LEFT);
}

static double place_y(const struct picture *picture, double rate)
{
    double share = (log10(rate) - picture->min_y) / (picture->max_y - picture->min_y);
    return BOTTOM - share * (BOTTOM - TOP);
}

static double intensity_of(const struct bench_profile_layer *layer)
{
    return (double)layer->operations / (double)(layer->bytes ? layer->bytes : 1);
}

/* In operations a second; a layer that took no measurable time is drawn as if it had taken 1 us. */
static double rate_of(const struct bench_profile_layer *layer)
{
    return (double)layer->operations * 1e6 / (layer->time_us > 1 ? layer->time_us : 1);
}

static double radius_of(const struct bench_profile_layer *layer)
{
    return 3.5 + 60 * sqrt(layer->share) / M_PI;
}

static double highest_roof(const struct bench_peaks *peaks)
{
    double highest = 0;
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++)
        highest = fmax(highest, peaks->operations_per_second[i]);
    return highest;
}

/* Half decades around all dots, the ridge of the roofs among them. */
static void choose_axes(struct picture *picture)
{
    const struct bench_profile *profile = picture->profile;
    double highest = highest_roof(&profile->peaks);
    double memory = profile->peaks.levels[profile->peaks.level_count - 1].bytes_per_second;
    picture->min_x = log10(0.5);
    picture->max_x = log10(fmax(highest / memory, 100));
    picture->min_y = log10(highest) - 1.5;
    picture->max_y = log10(highest);
    for (size_t i = 0; i < profile->layer_count; i++) {
        double x = log10(intensity_of(&profile->layers[i]));
        double y = log10(rate_of(&profile->layers[i]));
        picture->min_x = fmin(picture->min_x, x - 0.1);
        picture->max_x = fmax(picture->max_x, x + 0.2);
        picture->min_y = fmin(picture->min_y, y - 0.15);
        picture->max_y = fmax(picture->max_y, y);
    }
    picture->min_x = floor(picture->min_x * 4) / 4;
    picture->min_y = floor(picture->min_y * 4) / 4;
    picture->max_x = ceil(picture->max_x * 4) / 4;
    picture->max_y += 0.18;
}

static void draw_grid(const struct picture *picture)
{
    for (int decade = (int)floor(picture->min_x); decade <= (int)ceil(picture->max_x); decade++)
        for (int step = 1; step < 10; step += step == 1 ? 1 : step == 2 ? 3 : 5) {
            double value = step * pow(10, decade), x = place_x(picture, value);
            if (x < LEFT - 0.5 || x > RIGHT + 0.5)
                continue;
            (void)fprintf(picture->file,
                          "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" "
                          "text-anchor=\"middle\">%g</text>\n",
                          x, TOP, BOTTOM, x, BOTTOM + 20, value);
        }
    for (int decade = (int)floor(picture->min_y); decade <= (int)ceil(picture->max_y); decade++)
        for (int step = 1; step < 10; step += step == 1 ? 1 : step == 2 ? 3 : 5) {
            double value = step * pow(10, decade), y = place_y(picture, value);
            if (y < TOP - 0.5 || y > BOTTOM + 0.5)
                continue;
            (void)fprintf(picture->file,
                          "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                          "text-anchor=\"end\">%g</text>\n",
                          LEFT, y, RIGHT, LEFT - 8, y + 4, value / 1e9);
        }
    (void)fprintf(picture->file,
                  "<text class=\"sub\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">operations a byte "
                  "(inputs, weights and output, each moved once)</text>\n"
                  "<text class=\"sub\" transform=\"translate(20 %d) rotate(-90)\" "
                  "text-anchor=\"middle\">GFLOP/s</text>\n",
                  (LEFT + RIGHT) / 2, BOTTOM + 44, (TOP + BOTTOM) / 2);
}

static bool is_used(const struct bench_profile *profile, enum burst_arithmetic arithmetic)
{
    for (size_t i = 0; i < profile->layer_count; i++)
        if (profile->layers[i].arithmetic == arithmetic)
            return true;
    return false;
}

static void add_box(struct picture *picture, struct box box)
{
    if (picture->box_count < MAX_BOXES)
        picture->boxes[picture->box_count++] = box;
}

/* From where memory lets the roof be reached, to the right edge. */
static void draw_compute_roof(struct picture *picture, enum burst_arithmetic arithmetic)
{
    const struct bench_peaks *peaks = &picture->profile->peaks;
    double peak = peaks->operations_per_second[arithmetic];
    double x = fmax(LEFT, place_x(picture, peak / peaks->levels[0].bytes_per_second));
    double y = place_y(picture, peak);
    char text[96];
    (void)snprintf(text, sizeof text, "%s %.0f G%s/s", burst_arithmetic_name(arithmetic),
                   peak / 1e9, arithmetic == BURST_INT8 ? "OP" : "FLOP");
    double width = (double)strlen(text) * GLYPH_WIDTH;
    (void)fprintf(picture->file,
                  "<path class=\"roof%s\" d=\"M%.1f %.1fH%d\"/><text class=\"roofname\" x=\"%d\" "
                  "y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                  is_used(picture->profile, arithmetic) ? "" : " other", x, y, RIGHT, RIGHT - 6,
                  y - 6, text);
    add_box(picture, (struct box){RIGHT - 6 - width, y - 18, RIGHT - 6, y + 2});
}

/* A slanted line up to the highest compute roof. */
static void draw_memory_roof(struct picture *picture, size_t index)
{
    const struct bench_peaks *peaks = &picture->profile->peaks;
    const struct bench_peaks_level *level = &peaks->levels[index];
    double bottom = pow(10, picture->min_y), left = pow(10, picture->min_x);
    double x0 = fmax(left, bottom / level->bytes_per_second);
    double x1 = highest_roof(peaks) / level->bytes_per_second;
    double from_x = place_x(picture, x0), from_y = place_y(picture, x0 * level->bytes_per_second);
    double to_x = place_x(picture, x1), to_y = place_y(picture, x1 * level->bytes_per_second);
    double angle = atan2(to_y - from_y, to_x - from_x) * 180 / M_PI;
    /* L2 and L3 are often near each other: names above the first lines, below the others. */
    double along = 0.06 + 0.1 * (double)index;
    double at_x = from_x + along * (to_x - from_x), at_y = from_y + along * (to_y - from_y);
    (void)fprintf(picture->file,
                  "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1f\"/><text class=\"roofname\" "
                  "transform=\"translate(%.1f %.1f) rotate(%.1f)\" y=\"%d\">%s %.0f GB/s</text>\n",
                  from_x, from_y, to_x, to_y, at_x, at_y, angle, index < 2 ? -6 : 15, level->name,
                  level->bytes_per_second / 1e9);
}

static const char *colour_of(const struct bench_profile *profile,
                             const struct bench_profile_layer *layer)
{
    static const char *const colours[] = {"s0", "s1", "s2", "s3"};
    size_t number = 0;
    if (strcmp(layer->stage, "stem") == 0 || strcmp(layer->stage, "head") == 0)
        return layer->stage[0] == 's' ? "stem" : "head";
    for (size_t i = 0; i < profile->stage_count; i++) {
        if (strcmp(profile->stages[i].name, layer->stage) == 0)
            break;
        number += strcmp(profile->stages[i].name, "stem") != 0;
    }
    return colours[number % (sizeof colours / sizeof *colours)];
}

static void draw_dot(struct picture *picture, const struct bench_profile_layer *layer)
{
    double x = place_x(picture, intensity_of(layer)), y = place_y(picture, rate_of(layer));
    double radius = radius_of(layer);
    add_box(picture, (struct box){x - radius, y - radius, x + radius, y + radius});
    (void)fprintf(picture->file, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">",
                  colour_of(picture->profile, layer), x, y, radius);
    fputs("<title>", picture->file);
    put_text(picture->file, layer->step->name);
    fputs(", ", picture->file);
    put_text(picture->file, layer->shape);
    (void)fprintf(picture->file,
                  ": %.3f ms, %.1f %% of the time, %.1f GFLOP/s, %.0f %% of the peak, bound by "
                  "%s</title></circle>\n",
                  layer->time_us / 1e3, 100 * layer->share, rate_of(layer) / 1e9,
                  100 * layer->peak_share, layer->bound);
}

static bool is_free(const struct picture *picture, struct box box)
{
    if (box.left < LEFT + 2 || box.right > RIGHT || box.top < TOP || box.bottom > BOTTOM - 2)
        return false;
    for (size_t i = 0; i < picture->box_count; i++) {
        const struct box *other = &picture->boxes[i];
        if (box.left < other->right && other->left < box.right && box.top < other->bottom &&
            other->top < box.bottom)
            return false;
    }
    return true;
}

/* Tries places ever further from the dot, and leaves the label out where none is free
 * of dots and other labels. */
static void draw_label(struct picture *picture, const struct bench_profile_layer *layer)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%s %.1f %%", layer->step->name, 100 * layer->share);
    double x = place_x(picture, intensity_of(layer)), y = place_y(picture, rate_of(layer));
    double radius = radius_of(layer), width = (double)terminal_width(text) * GLYPH_WIDTH;
    for (int try = 0; try < TRIES; try++) {
        double angle = (try % TRIES_ROUND) * 2 * M_PI / TRIES_ROUND;
        unsigned round = (unsigned)(try / TRIES_ROUND);
        double distance = radius + 6 + 12.0 * round;
        double at_x = x + distance * cos(angle), at_y = y + distance * sin(angle);
        double left = cos(angle) > 0.1 ? at_x : cos(angle) < -0.1 ? at_x - width : at_x - width / 2;
        struct box box = {left, at_y - LABEL_HEIGHT / 2.0, left + width, at_y + LABEL_HEIGHT / 2.0};
        if (!is_free(picture, box))
            continue;
        add_box(picture, box);
        if (try >= TRIES_ROUND)
            (void)fprintf(picture->file, "<path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x, y,
                          at_x, at_y);
        (void)fprintf(picture->file, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">", left,
                      at_y + 4);
        put_text(picture->file, text);
        fputs("</text>\n", picture->file);
        return;
    }
}

/* The next layer by its time after `previous` (NULL: the first). */
static const struct bench_profile_layer *next_by_time(const struct bench_profile *profile,
                                                      const struct bench_profile_layer *previous)
{
    const struct bench_profile_layer *next = NULL;
    for (size_t i = 0; i < profile->layer_count; i++) {
        const struct bench_profile_layer *layer = &profile->layers[i];
        bool is_after = !previous || layer->time_us < previous->time_us ||
                        (layer->time_us <= previous->time_us && layer > previous);
        if (is_after && (!next || layer->time_us > next->time_us))
            next = layer;
    }
    return next;
}

/* Largest first, so that small dots lie on large ones; then the labels over all of them. */
static void draw_layers(struct picture *picture)
{
    const struct bench_profile_layer *layer = NULL;
    while ((layer = next_by_time(picture->profile, layer)))
        draw_dot(picture, layer);
    layer = NULL;
    for (int i = 0; i < LABEL_COUNT && (layer = next_by_time(picture->profile, layer)); i++)
        draw_label(picture, layer);
}

static void draw_legend(const struct picture *picture)
{
    const struct bench_profile *profile = picture->profile;
    double x = LEFT;
    for (size_t i = 0; i < profile->stage_count; i++) {
        const struct bench_profile_stage *stage = &profile->stages[i];
        const struct bench_profile_layer *layer = profile->layers;
        while (strcmp(layer->stage, stage->name) != 0)
            layer++;
        char text[64];
        (void)snprintf(text, sizeof text, "%s %.1f ms, %.0f %%", stage->name, stage->time_us / 1e3,
                       100 * stage->share);
        (void)fprintf(picture->file,
                      "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"11\" height=\"11\" rx=\"3\"/>"
                      "<text x=\"%.1f\" y=\"%d\">",
                      colour_of(profile, layer), x, BOTTOM + 68, x + 17, BOTTOM + 78);
        put_text(picture->file, text);
        fputs("</text>\n", picture->file);
        x += 17 + (double)strlen(text) * 6.6 + 14;
    }
    (void)fprintf(picture->file,
                  "<text x=\"%d\" y=\"%d\">A dot is a layer, its area the layer's share of the "
                  "time. Roofs are measured: the fastest arithmetic and reads of %u thread%s of "
                  "this machine.</text>\n",
                  LEFT, BOTTOM + 104, profile->peaks.threads,
                  profile->peaks.threads == 1 ? "" : "s");
}

static void draw(struct picture *picture, const char *title)
{
    FILE *file = picture->file;
    const struct bench_profile *profile = picture->profile;
    choose_axes(picture);
    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
                  WIDTH, HEIGHT);
    fputs("<title>Roofline of ", file);
    put_text(file, title);
    fputs("</title>\n", file);
    fputs(style, file);
    (void)fprintf(file, "<rect width=\"%d\" height=\"%d\" fill=\"var(--paper)\"/>\n", WIDTH,
                  HEIGHT);
    (void)fprintf(file, "<text class=\"title\" x=\"%d\" y=\"40\">", LEFT);
    put_text(file, title);
    (void)fprintf(file,
                  "</text><text class=\"sub\" x=\"%d\" y=\"64\">batch %zu, %u thread%s: %.2f ms a "
                  "batch, %.1f images/s</text>\n",
                  LEFT, profile->batch, profile->threads, profile->threads == 1 ? "" : "s",
                  profile->time_us / 1e3,
                  profile->time_us > 0 ? (double)profile->batch * 1e6 / profile->time_us : 0);
    draw_grid(picture);
    for (size_t i = 0; i < profile->peaks.level_count; i++)
        draw_memory_roof(picture, i);
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++)
        if (profile->peaks.operations_per_second[i] > 0)
            draw_compute_roof(picture, (enum burst_arithmetic)i);
    draw_layers(picture);
    draw_legend(picture);
    fputs("</svg>\n", file);
}

enum status bench_roofline_write(const struct bench_profile *profile, const char *title,
                                 const char *path, struct error *error)
{
    struct output_file output;
    enum status status = output_file_init(path, &output, error);
    if (status != STATUS_OK)
        return status;
    struct picture picture = {.file = output.file, .profile = profile};
    draw(&picture, title);
    return output_file_finish(&output, ferror(picture.file) == 0, error);
}

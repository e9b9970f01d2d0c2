#include "server/pipeline/lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/net/slot_block.h"

/* Side by side run at most this many batches, however many CPUs there are; their teams share the
 * CPUs. Activations are a batch's and not a thread's, 43 MiB for 8 images of ResNet-50: 128 batches
 * of one thread each would take 5.4 GiB and fight for the caches, 16 of 8 threads take 0.8. */
enum { MAX_BATCH_THREADS = 16 };

/* What one turn of the batcher computes in, used by one thread at a time. */
struct seat {
    struct engine_scratch *scratch;
    float *logits;           /* [max_batch, classes] */
    struct step_slot *slots; /* [max_batch], as the next two */
    struct task **tasks;
    size_t *slot_numbers;
};

struct lane {
    struct lane_options options;
    struct prepare_line *line;
    struct batcher_lane *batches;
    struct slot_block slots;
    size_t seat_count;  /* batch_threads, and one more for wide turns unless that is the same */
    struct seat *seats; /* [seat_count], the wide one last */
    size_t bytes, locked_bytes;
    atomic_bool is_closed;
};

unsigned lane_batch_threads(unsigned engine_threads)
{
    return engine_threads < MAX_BATCH_THREADS ? engine_threads : MAX_BATCH_THREADS;
}

/* Larger teams lie between smaller ones, so that any neighbours together, as on one NUMA node, have
 * the number that is theirs. */
unsigned lane_team_threads(unsigned engine_threads, unsigned batch)
{
    unsigned batches = lane_batch_threads(engine_threads);
    return (batch + 1) * engine_threads / batches - batch * engine_threads / batches;
}

bool lane_suits_nodes(unsigned engine_threads, const struct numa_topology *numa)
{
    unsigned batches = lane_batch_threads(engine_threads);
    uint64_t cpus = 0;
    for (size_t i = 0; i < numa->node_count; i++)
        cpus += numa->nodes[i].cpu_count;
    for (size_t i = 0; i < numa->node_count; i++) {
        uint64_t threads = 0, fair = engine_threads * (uint64_t)numa->nodes[i].cpu_count / cpus;
        for (unsigned batch = 0; batch < batches; batch++)
            if (numa_topology_share(numa, batch, batches) == i)
                threads += lane_team_threads(engine_threads, batch);
        if (threads == 0 || threads > fair + fair / 4 + 1)
            return false;
    }
    return true;
}

/* So many that no engine thread ever waits for a slot to be filled: each has one batch running and
 * one ready behind it, and each worker has one in hand. */
static size_t slot_count(const struct lane_options *options)
{
    return 2 * options->batch_threads * options->max_batch + options->prepare_threads;
}

static const struct engine *engine_of(const struct lane *lane)
{
    return model_engine(lane->options.model);
}

/* The team of a seat; narrow ones share all threads out evenly. */
static unsigned seat_threads(const struct lane_options *options, size_t seat)
{
    unsigned threads = options->engine_threads;
    return seat == options->batch_threads ? threads : lane_team_threads(threads, (unsigned)seat);
}

/* The CPUs of the node that a turn's thread and its seat belong to, as the batcher binds its
 * threads. NULL: those of all, as the wide seat's. */
static const struct numa_cpus *seat_cpus(const struct lane *lane, size_t seat)
{
    const struct numa_topology *numa = engine_numa(engine_of(lane));
    unsigned batches = lane->options.batch_threads;
    if (!numa || seat == batches)
        return NULL;
    return &numa->nodes[numa_topology_share(numa, (unsigned)seat, batches)].cpus;
}

/* On the seat's node: its memory lies where it is touched first. */
static enum status make_scratch(struct lane *lane, size_t index, struct error *error)
{
    const struct numa_cpus *cpus = seat_cpus(lane, index);
    struct numa_cpus before;
    if (cpus) {
        numa_affinity(&before);
        numa_bind(cpus);
    }
    enum status status = engine_scratch_create(engine_of(lane), lane->options.max_batch,
                                               seat_threads(&lane->options, index),
                                               &lane->seats[index].scratch, error);
    if (cpus)
        numa_bind(&before);
    return status;
}

static enum status seat_init(struct lane *lane, size_t index, struct error *error)
{
    struct seat *seat = &lane->seats[index];
    size_t max_batch = lane->options.max_batch, classes = engine_classes(engine_of(lane)), logits;
    size_t bytes, locked_bytes;
    seat->slots = alloc_array(max_batch, sizeof *seat->slots, SIZE_MAX);
    seat->tasks = alloc_array(max_batch, sizeof(struct task *), SIZE_MAX);
    seat->slot_numbers = alloc_array(max_batch, sizeof *seat->slot_numbers, SIZE_MAX);
    if (checked_mul(max_batch, classes, &logits))
        seat->logits = alloc_array(logits, sizeof *seat->logits, SIZE_MAX);
    if (!seat->slots || !seat->tasks || !seat->slot_numbers || !seat->logits)
        return error_set(error, STATUS_NO_MEMORY, "no memory for batches of %zu images", max_batch);
    enum status status = make_scratch(lane, index, error);
    if (status)
        return status;
    engine_scratch_memory(seat->scratch, &bytes, &locked_bytes);
    lane->bytes += bytes;
    lane->locked_bytes += locked_bytes;
    return STATUS_OK;
}

static void seat_fini(struct seat *seat)
{
    engine_scratch_destroy(seat->scratch);
    free(seat->logits);
    free(seat->slots);
    free(seat->tasks);
    free(seat->slot_numbers);
}

/* Leaves out who is not waited for any more; how many are left, in the seat's arrays. */
static size_t fill_seat(struct lane *lane, struct seat *seat, struct batcher_entry *const *entries,
                        size_t count, uint64_t now_us)
{
    struct metrics *metrics = lane->options.metrics;
    bool is_closed = atomic_load_explicit(&lane->is_closed, memory_order_relaxed);
    size_t live = 0;
    metrics_queue_add(metrics, METRICS_QUEUE_BATCH, -(int64_t)count);
    for (size_t i = 0; i < count; i++) {
        struct task *task = (struct task *)entries[i];
        if (is_closed) {
            lane_fail(lane, task, PROBLEM_DRAINING, "the server is shutting down");
        } else if (!item_is_live(task->item)) {
            lane_drop(lane, task);
        } else {
            task->times.queue_us = now_us - task->entry.queued_us;
            metrics_queue_wait(metrics, METRICS_QUEUE_BATCH, task->times.queue_us);
            metrics_stage(metrics, METRICS_STAGE_QUEUE, task->times.queue_us);
            item_set_stage(task->item, ITEM_STAGE_INFERENCE);
            seat->tasks[live] = task;
            seat->slot_numbers[live] = task->slot;
            seat->slots[live++] = slot_block_slot(&lane->slots, task->slot);
        }
    }
    return live;
}

/* Takes the task. */
static void answer(struct lane *lane, struct task *task, const float *logits, size_t batch_size)
{
    size_t found =
        topk_select(logits, engine_classes(engine_of(lane)), task->top_k, task->predictions);
    if (found == 0) {
        lane_fail(lane, task, PROBLEM_INTERNAL,
                  "the network's answer is not a number: its values overflow float32");
        return;
    }
    float min_probability = item_request(task->item)->min_probability;
    while (found > 0 && task->predictions[found - 1].probability < min_probability)
        found--;
    struct item_answer result = {.prediction_count = found,
                                 .predictions = task->predictions,
                                 .info = task->info,
                                 .times = task->times,
                                 .batch_size = batch_size};
    (void)item_finish_answer(task->item, &result);
    task->predictions = result.predictions;
    lane_drop(lane, task);
}

/* A wide team's first member has its own node, whoever plays it. */
static void run_engine(const struct lane *lane, struct batcher_turn turn, const struct seat *seat,
                       size_t images)
{
    const struct numa_topology *numa = engine_numa(engine_of(lane));
    bool is_moved = numa && turn.is_wide;
    if (is_moved)
        numa_bind(&numa->nodes[numa_topology_share(numa, 0, lane->options.engine_threads)].cpus);
    engine_run(engine_of(lane), seat->scratch, images, seat->slots,
               &(struct engine_outputs){.logits = seat->logits});
    if (is_moved)
        numa_bind(seat_cpus(lane, turn.thread));
}

/* The batcher's turn. */
static void run(void *user, struct batcher_turn turn, struct batcher_entry *const *entries,
                size_t count)
{
    struct lane *lane = user;
    struct seat *seat = &lane->seats[turn.is_wide ? lane->seat_count - 1 : turn.thread];
    uint64_t start_us = clock_now_us();
    size_t images = fill_seat(lane, seat, entries, count, start_us);
    if (images == 0)
        return;
    start_us = clock_now_us();
    run_engine(lane, turn, seat, images);
    uint64_t inference_us = clock_now_us() - start_us;
    prepare_queue_give_back(lane->options.queue, lane->line, seat->slot_numbers, images);
    metrics_batch(lane->options.metrics, images);
    size_t classes = engine_classes(engine_of(lane));
    for (size_t i = 0; i < images; i++) {
        struct task *task = seat->tasks[i];
        task->slot = TASK_NO_SLOT;
        task->times.inference_us = inference_us;
        metrics_stage(lane->options.metrics, METRICS_STAGE_INFERENCE, inference_us);
        answer(lane, task, seat->logits + i * classes, images);
    }
}

static enum status make_memory(struct lane *lane, struct error *error)
{
    const struct lane_options *options = &lane->options;
    lane->seats = alloc_array(lane->seat_count, sizeof *lane->seats, SIZE_MAX);
    if (!lane->seats)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a lane");
    enum status status = slot_block_init(engine_of(lane), slot_count(options), &lane->slots, error);
    if (status)
        return status;
    lane->bytes = lane->slots.memory.size_bytes;
    lane->locked_bytes = lane->slots.memory.locked_bytes;
    for (size_t i = 0; i < lane->seat_count && !status; i++)
        status = seat_init(lane, i, error);
    return status;
}

enum status lane_create(const struct lane_options *options, struct lane **ret_lane,
                        struct error *error)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a lane");
    lane->options = *options;
    lane->seat_count = options->batch_threads + (options->engine_threads > 1);
    enum status status = make_memory(lane, error);
    if (!status)
        status = prepare_queue_open(options->queue, slot_count(options), &lane->line, error);
    /* Last, since it cannot be taken back. */
    if (!status)
        status = batcher_open_lane(
            options->batcher,
            &(struct batcher_lane_options){.max_batch = options->max_batch,
                                           .max_queue_delay_us = options->max_queue_delay_us,
                                           .run = run,
                                           .user = lane},
            &lane->batches, error);
    if (status) {
        lane_destroy(lane);
        return status;
    }
    metrics_gauge_add(options->metrics, METRICS_PINNED_BYTES, (int64_t)lane->locked_bytes);
    *ret_lane = lane;
    return STATUS_OK;
}

void lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    for (size_t i = 0; lane->seats && i < lane->seat_count; i++)
        seat_fini(&lane->seats[i]);
    free(lane->seats);
    slot_block_fini(&lane->slots);
    free(lane);
}

const struct model *lane_model(const struct lane *lane)
{
    return lane->options.model;
}

struct metrics *lane_metrics(const struct lane *lane)
{
    return lane->options.metrics;
}

void lane_memory(const struct lane *lane, size_t *ret_bytes, size_t *ret_locked_bytes)
{
    *ret_bytes = lane->bytes;
    *ret_locked_bytes = lane->locked_bytes;
}

uint8_t *lane_pixels(const struct lane *lane, const struct task *task)
{
    return slot_block_pixels(&lane->slots, task->slot);
}

void lane_push(struct lane *lane, struct task *task)
{
    item_set_stage(task->item, ITEM_STAGE_PREPARE);
    metrics_queue_add(lane->options.metrics, METRICS_QUEUE_PREPARE, 1);
    struct task *dead = prepare_queue_push(lane->options.queue, lane->line, task);
    while (dead) {
        struct task *next = dead->next;
        metrics_queue_add(lane->options.metrics, METRICS_QUEUE_PREPARE, -1);
        lane_drop(lane, dead);
        dead = next;
    }
}

void lane_submit(struct lane *lane, struct task *task)
{
    item_set_stage(task->item, ITEM_STAGE_QUEUE);
    metrics_queue_add(lane->options.metrics, METRICS_QUEUE_BATCH, 1);
    batcher_submit(lane->options.batcher, lane->batches, &task->entry);
}

void lane_drop(struct lane *lane, struct task *task)
{
    if (task->slot != TASK_NO_SLOT)
        prepare_queue_give_back(lane->options.queue, lane->line, &task->slot, 1);
    task_destroy(task);
}

void lane_fail(struct lane *lane, struct task *task, enum problem_code code, const char *detail)
{
    (void)item_finish_problem(task->item, code, detail);
    lane_drop(lane, task);
}

void lane_close(struct lane *lane)
{
    atomic_store_explicit(&lane->is_closed, true, memory_order_relaxed);
}

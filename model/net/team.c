#include "model/net/team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* A step of the plan lasts from 50 us to some ms and its parts end within microseconds of each
 * other: looking a little longer before sleeping saves two context switches a step, and on a busy
 * machine costs a neighbour no more than one of them would. */
enum { LOOKS_BEFORE_SLEEP = 2000 };

struct team_member {
    struct team *team;
    unsigned index;
    pthread_t thread;
};

struct team {
    unsigned size;
    unsigned started; /* of members[1..] */
    struct team_member *members;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* one for all: whoever waits looks at his own condition */
    /* Guarded by mutex: */
    unsigned long job; /* counts team_run calls */
    bool is_ending;
    void (*work)(void *user, struct team *team, unsigned member);
    void *user;

    atomic_uint arrived;     /* at the barrier */
    atomic_ulong generation; /* of the barrier; raised under mutex, read anywhere */
};

static void look_again(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void team_barrier(struct team *team)
{
    unsigned long generation = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == team->size) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        pthread_mutex_lock(&team->mutex);
        atomic_store_explicit(&team->generation, generation + 1, memory_order_release);
        pthread_mutex_unlock(&team->mutex);
        pthread_cond_broadcast(&team->changed);
        return;
    }
    for (int i = 0; i < LOOKS_BEFORE_SLEEP; i++) {
        if (atomic_load_explicit(&team->generation, memory_order_acquire) != generation)
            return;
        look_again();
    }
    pthread_mutex_lock(&team->mutex);
    while (atomic_load_explicit(&team->generation, memory_order_acquire) == generation)
        pthread_cond_wait(&team->changed, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

static void *member_main(void *argument)
{
    struct team_member *member = argument;
    struct team *team = member->team;
    unsigned long done = 0;
    for (;;) {
        pthread_mutex_lock(&team->mutex);
        while (team->job == done && !team->is_ending)
            pthread_cond_wait(&team->changed, &team->mutex);
        bool is_ending = team->is_ending;
        void (*work)(void *, struct team *, unsigned) = team->work;
        void *user = team->user;
        done = team->job;
        pthread_mutex_unlock(&team->mutex);
        if (is_ending)
            return NULL;
        work(user, team, member->index);
        team_barrier(team);
    }
}

/* Members inherit the affinity of who starts them. */
static void start_members(struct team *team, const struct numa_topology *spread)
{
    struct numa_cpus before;
    if (spread)
        numa_affinity(&before);
    for (unsigned i = 1; i < team->size; i++) {
        team->members[i] = (struct team_member){.team = team, .index = i};
        if (spread)
            numa_bind(&spread->nodes[numa_topology_share(spread, i, team->size)].cpus);
        if (pthread_create(&team->members[i].thread, NULL, member_main, &team->members[i]) != 0)
            break;
        team->started++;
    }
    if (spread)
        numa_bind(&before);
}

enum status team_create(unsigned threads, const struct numa_topology *spread,
                        struct team **ret_team, struct error *error)
{
    struct team *team = calloc(1, sizeof *team);
    if (!team)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a team of %u threads", threads);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->changed, NULL);
    team->size = threads;
    team->members = calloc(threads, sizeof *team->members);
    if (team->members)
        start_members(team, spread);
    if (!team->members || team->started + 1 != threads) {
        team_destroy(team);
        return error_set(error, STATUS_NO_MEMORY,
                         "could not start %u threads; lower the number of threads", threads);
    }
    *ret_team = team;
    return STATUS_OK;
}

void team_destroy(struct team *team)
{
    if (!team)
        return;
    pthread_mutex_lock(&team->mutex);
    team->is_ending = true;
    pthread_mutex_unlock(&team->mutex);
    pthread_cond_broadcast(&team->changed);
    for (unsigned i = 1; i <= team->started; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->mutex);
    free(team->members);
    free(team);
}

unsigned team_size(const struct team *team)
{
    return team->size;
}

void team_run(struct team *team, void (*work)(void *user, struct team *team, unsigned member),
              void *user)
{
    pthread_mutex_lock(&team->mutex);
    team->work = work;
    team->user = user;
    team->job++;
    pthread_mutex_unlock(&team->mutex);
    pthread_cond_broadcast(&team->changed);
    work(user, team, 0);
    team_barrier(team);
}

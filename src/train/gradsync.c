// SPDX-License-Identifier: Apache-2.0
#include "train/gradsync.h"

#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "comm/watch.h"
#include "math/vec.h"

enum { TAG_ROWS = GRADSYNC_MAX_SECTIONS, TAG_EXPERTS };

/** Start the sum of elements begin .. end-1 of a table's gradients. */
static void begin(const Gradsync *sync, Reduce *reduce, const Comm *comm, const Params *params,
                  size_t from, size_t to, int tag)
{
    real *node[PARAM_MAX_SLOTS];
    for (int i = 0; i < params->n_slots; i++) {
        node[i] = params->slot[i] + from;
    }
    reduce_begin(reduce, comm, sync->n_groups, node, to - from, tag, sync->plain);
}

static void begin_section(Gradsync *sync, int section)
{
    size_t from[2], to[2];
    params_section_range(sync->params, section, from, to);
    begin(sync, &sync->block[section], &sync->mesh->world, sync->params, from[0], to[0], section);
    if (to[1] > from[1]) {
        begin(sync, &sync->rows, &sync->mesh->world, sync->params, from[1], to[1], TAG_ROWS);
    }
    sync->started[section] = true;
}

static void section_done(void *context, int section)
{
    begin_section(context, section);
}

void gradsync_init(Gradsync *sync, const Mesh *mesh, Params *params, Params *experts, int n_groups,
                   bool plain)
{
    memset(sync, 0, sizeof *sync);
    CHECK(params->n_sections <= GRADSYNC_MAX_SECTIONS, "too many sections of tensors: %d",
          params->n_sections);
    sync->mesh = mesh;
    sync->params = params;
    sync->experts = experts;
    sync->n_groups = n_groups;
    sync->plain = plain;
    sync->expert_squares = mem_alloc((size_t)experts->n_experts, sizeof(double));
    params->section_done = section_done;
    params->context = sync;
}

void gradsync_finish(Gradsync *sync)
{
    const int n = sync->params->n_sections;
    const bool rows = params_grad_size(sync->params) > sync->params->size;
    watch_enter("sums of gradients");
    for (int i = 0; i < n; i++) {
        if (!sync->started[i]) {  // a rank without groups has no last one
            begin_section(sync, i);
        }
    }
    if (sync->experts->n > 0) {
        begin(sync, &sync->expert_block, &sync->mesh->replicas, sync->experts, 0,
              sync->experts->size, TAG_EXPERTS);
        reduce_gather(&sync->expert_block);
    }
    for (int i = n - 1; i >= 0; i--) {
        reduce_gather(&sync->block[i]);
    }
    if (rows) {
        reduce_gather(&sync->rows);
        reduce_wait(&sync->rows);
    }
    for (int i = 0; i < n; i++) {
        reduce_wait(&sync->block[i]);
        sync->started[i] = false;
    }
    if (sync->experts->n > 0) {
        reduce_wait(&sync->expert_block);
    }
}

double gradsync_squares(Gradsync *sync)
{
    const Params *experts = sync->experts;
    double sum = vec_sum_squares(sync->params->slot[0], params_grad_size(sync->params));
    memset(sync->expert_squares, 0, (size_t)experts->n_experts * sizeof(double));
    for (int i = 0; i < experts->n; i++) {
        const Param *param = &experts->param[i];
        const size_t each = param->shape[0] > 0 ? param->size / (size_t)param->shape[0] : 0;
        for (int e = 0; e < param->shape[0]; e++) {
            sync->expert_squares[experts->first_expert + e] +=
                vec_sum_squares(experts->slot[0] + param->offset + (size_t)e * each, each);
        }
    }
    if (experts->n_experts > 0) {
        watch_enter("norm of the gradient");
        comm_sum_with_zeros(&sync->mesh->experts, sync->expert_squares, experts->n_experts);
    }
    for (int e = 0; e < experts->n_experts; e++) {
        sum += sync->expert_squares[e];
    }
    return sum;
}

void gradsync_free(Gradsync *sync)
{
    for (int i = 0; i < GRADSYNC_MAX_SECTIONS; i++) {
        reduce_free(&sync->block[i]);
    }
    reduce_free(&sync->rows);
    reduce_free(&sync->expert_block);
    mem_free(sync->expert_squares);
    if (sync->params != NULL) {
        sync->params->section_done = NULL;
    }
    memset(sync, 0, sizeof *sync);
}

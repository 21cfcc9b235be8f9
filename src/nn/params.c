// SPDX-License-Identifier: Apache-2.0
#include "nn/params.h"

#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/rng.h"
#include "base/tree.h"
#include "math/vec.h"

/** FNV-1a (Fowler, Noll, Vo). */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    }
    return hash;
}

static Param *add_param(Params *params, const char *name, ParamKind kind, int n_dims,
                        const int *shape)
{
    ASSERT(!params->allocated && n_dims >= 1 && n_dims <= PARAM_MAX_DIMS);
    if (params->n == 0) {
        params->rows = -1;
    }
    params->param = mem_grow(params->param, (size_t)params->n + 1, sizeof *params->param);
    Param *param = &params->param[params->n++];
    memset(param, 0, sizeof *param);
    param->name = mem_copy_text(name);
    param->kind = kind;
    param->stream = hash_name(name);
    param->n_dims = n_dims;
    param->size = 1;
    for (int i = 0; i < n_dims; i++) {
        param->shape[i] = shape[i];
        param->size *= (size_t)shape[i];
    }
    param->section = params->n_sections - 1;
    return param;
}

int params_add(Params *params, const char *name, ParamKind kind, bool decay, int n_dims,
               const int *shape)
{
    Param *param = add_param(params, name, kind, n_dims, shape);
    param->decay = decay;
    if (kind == PARAM_EXPERT && shape[0] > 0) {
        param->origin = param->size / (size_t)shape[0] * (size_t)params->first_expert;
    }
    param->offset = params->size;
    param->logical_size = param->size;
    if (kind == PARAM_EXPERT && params->n_experts > 0) {
        param->logical_size = (size_t)params->n_experts;
        for (int i = 1; i < n_dims; i++) {
            param->logical_size *= (size_t)shape[i];
        }
    }
    params->size += param->size;
    return params->n - 1;
}

int params_add_rows(Params *params, const char *name, real *rows, int n, int dim)
{
    Param *param = add_param(params, name, PARAM_ROWS, 2, (int[]){n, dim});
    ASSERT(params->rows < 0);
    param->value = rows;
    param->logical_size = param->size;
    params->rows = params->n - 1;
    return params->n - 1;
}

void params_set_experts(Params *params, int first, int n_experts)
{
    params->first_expert = first;
    params->n_experts = n_experts;
}

int params_section(Params *params)
{
    return params->n_sections++;
}

static int rows_dim(const Params *params)
{
    return params->n == 0 || params->rows < 0 ? 0 : params->param[params->rows].shape[1];
}

static size_t slot_size(const Params *params)
{
    return params->size + (size_t)params->max_rows * (size_t)rows_dim(params);
}

/** Height of the stack before group g is pushed: the nodes of first .. g-1. */
static int height_before(int first, int g)
{
    TreeNode node[TREE_MAX_NODES];
    return tree_nodes(first, g, node);
}

static int slot_of(const Params *params, int g)
{
    return height_before(params->first_group, g);
}

int params_slots(int first_group, int last_group)
{
    int most = 1;
    for (int g = first_group; g < last_group; g++) {
        const int needed = height_before(first_group, g) + 1;
        most = needed > most ? needed : most;
    }
    return most;
}

void params_allocate(Params *params, int first_group, int last_group)
{
    params->first_group = first_group;
    params->last_group = last_group;
    params->value = MEM_ARRAY(real, params->size);
    params->n_slots = params_slots(first_group, last_group);
    CHECK(params->n_slots <= PARAM_MAX_SLOTS, "too many groups on one rank: %d",
          last_group - first_group);
    for (int i = 0; i < params->n_slots; i++) {
        params->slot[i] = MEM_ARRAY(real, params->size);
    }
    for (int i = 0; i < params->n; i++) {
        Param *param = &params->param[i];
        if (param->kind == PARAM_ROWS) {
            param->offset = params->size;
        } else {
            param->value = params->value + param->offset;
        }
    }
    params->allocated = true;
}

real *params_value(const Params *params, int tensor)
{
    return params->param[tensor].value;
}

real *params_grad(const Params *params, int tensor)
{
    return params->slot[params->slot_now] + params->param[tensor].offset;
}

void params_touch_rows(Params *params, const int *row, int n_rows)
{
    params->row = row;
    params->n_rows = n_rows;
    if (n_rows > params->max_rows) {
        params->max_rows = n_rows + n_rows / 2;
        for (int i = 0; i < params->n_slots; i++) {
            mem_free(params->slot[i]);  // a gradient never lives across batches
            params->slot[i] = MEM_ARRAY(real, slot_size(params));
        }
    }
}

size_t params_grad_size(const Params *params)
{
    return params->size + (size_t)params->n_rows * (size_t)rows_dim(params);
}

void params_group_begin(Params *params, int g)
{
    params->slot_now = slot_of(params, g);
}

void params_section_range(const Params *params, int section, size_t begin[2], size_t end[2])
{
    begin[0] = params->size;
    end[0] = begin[1] = end[1] = 0;
    for (int i = 0; i < params->n; i++) {
        const Param *param = &params->param[i];
        if (param->section == section && param->kind == PARAM_ROWS) {
            begin[1] = params->size;
            end[1] = params_grad_size(params);
        } else if (param->section == section) {
            begin[0] = param->offset < begin[0] ? param->offset : begin[0];
            end[0] = param->offset + param->size > end[0] ? param->offset + param->size : end[0];
        }
    }
    begin[0] = begin[0] < end[0] ? begin[0] : end[0];
}

void params_group_end(Params *params, int section, int g)
{
    TreeNode node[TREE_MAX_NODES];
    size_t begin[2], end[2];
    int top = slot_of(params, g);
    tree_nodes(params->first_group, g, node);
    node[top++] = (TreeNode){g, 1};
    params_section_range(params, section, begin, end);
    while (top >= 2 && tree_are_brothers(node[top - 2], node[top - 1])) {
        for (int r = 0; r < 2; r++) {
            vec_add(params->slot[top - 2] + begin[r], params->slot[top - 1] + begin[r],
                    end[r] - begin[r]);
        }
        node[top - 2].size *= 2;
        top--;
    }
    params->slot_now = 0;
    if (g + 1 == params->last_group && params->section_done != NULL) {
        params->section_done(params->context, section);
    }
}

void params_fill_uniform(Params *params, int tensor, uint64_t seed, double bound)
{
    Rng rng = rng_init(seed, RNG_INIT);
    Param *param = &params->param[tensor];
    for (size_t i = 0; i < param->size; i++) {
        const size_t at = param->origin + i;
        const RngPlace place = {param->stream, (uint32_t)(at >> 30), 0};
        const double u = rng_uniform(&rng, place, (uint32_t)(at & 0x3fffffff));
        param->value[i] = (real)((2 * u - 1) * bound);
    }
}

size_t params_count(const Params *params, ParamKind kind)
{
    size_t n = 0;
    for (int i = 0; i < params->n; i++) {
        n += params->param[i].kind == kind ? params->param[i].logical_size : 0;
    }
    return n;
}

const char *params_not_finite(const Params *params, bool grad)
{
    for (int i = 0; i < params->n; i++) {
        const Param *param = &params->param[i];
        const real *x = grad ? params->slot[0] + param->offset : param->value;
        size_t n = param->size;
        if (grad && param->kind == PARAM_ROWS) {
            n = (size_t)params->n_rows * (size_t)param->shape[1];
        }
        if (!vec_is_finite(x, n)) {
            return param->name;
        }
    }
    return NULL;
}

void params_free(Params *params)
{
    for (int i = 0; i < params->n; i++) {
        mem_free(params->param[i].name);
    }
    for (int i = 0; i < params->n_slots; i++) {
        mem_free(params->slot[i]);
    }
    mem_free(params->param);
    mem_free(params->value);
    memset(params, 0, sizeof *params);
}

// SPDX-License-Identifier: Apache-2.0
#include "train/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "comm/watch.h"

static void add(Tensors *tensors, Tensor tensor, const char *folder, const char *name,
                const char *part, void *data)
{
    if (data == NULL) {
        return;
    }
    tensors->tensor = mem_grow(tensors->tensor, (size_t)tensors->n + 1, sizeof *tensors->tensor);
    snprintf(tensor.name, sizeof tensor.name, "%s/%s%s", folder, name, part);
    tensor.data = data;
    tensors->tensor[tensors->n++] = tensor;
}

static real *at(real *block, size_t offset)
{
    return block == NULL ? NULL : block + offset;
}

static void add_table(Tensors *tensors, const Params *params, const Optim *optim)
{
    for (int i = 0; i < params->n; i++) {
        const Param *p = &params->param[i];
        const bool rows = p->kind == PARAM_ROWS, expert = p->kind == PARAM_EXPERT;
        Tensor tensor = {.kind = H5_REAL, .shape.n_dims = p->n_dims, .expert = expert};
        for (int d = 0; d < p->n_dims; d++) {
            tensor.shape.dim[d] = p->shape[d];
        }
        tensor.first = expert ? params->first_expert : 0;
        tensor.count = p->shape[0];
        tensor.shape.dim[0] = expert ? params->n_experts : p->shape[0];
        add(tensors, tensor, "params", p->name, "", p->value);
        if (optim == NULL) {
            continue;
        }
        add(tensors, tensor, "optim", p->name, "/m",
            rows ? optim->rows_m : at(optim->m, p->offset));
        add(tensors, tensor, "optim", p->name, "/v",
            rows ? optim->rows_v : at(optim->v, p->offset));
        add(tensors, tensor, "average", p->name, "",
            rows ? optim->rows_average : at(optim->average, p->offset));
        if (rows) {
            tensor.kind = H5_DOUBLE;
            tensor.shape.n_dims = 1;
            add(tensors, tensor, "optim", p->name, "/log_decay", optim->rows_log_decay);
        }
    }
}

void tensors_list(Tensors *tensors, const Params *params, const Optim *optim, const Params *experts,
                  const Optim *expert_optim)
{
    *tensors = (Tensors){0};
    add_table(tensors, params, optim);
    add_table(tensors, experts, expert_optim);
}

void tensors_free(Tensors *tensors)
{
    mem_free(tensors->tensor);
    *tensors = (Tensors){0};
}

size_t tensors_row_bytes(const Tensor *tensor)
{
    H5Shape row = tensor->shape;
    row.dim[0] = 1;
    return (size_t)h5_elements(row) * (tensor->kind == H5_DOUBLE ? sizeof(double) : sizeof(float));
}

static void hash_bytes(unsigned char hash[DIGEST_BYTES], const void *bytes, size_t n)
{
    Digest digest;
    digest_init(&digest);
    digest_add(&digest, bytes, n);
    digest_bytes(&digest, hash);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const TensorHash *)a)->name, ((const TensorHash *)b)->name);
}

void tensors_digest(char text[DIGEST_TEXT], TensorHash *hash, int n, int64_t steps)
{
    char line[TENSOR_NAME + 100], shape[80];
    Digest digest;
    digest_init(&digest);
    if (n > 0) {
        qsort(hash, (size_t)n, sizeof *hash, by_name);
    }
    for (int i = 0; i < n; i++) {
        h5_shape_text(hash[i].shape, shape, sizeof shape);
        const int used = snprintf(line, sizeof line, "%s [%s] ", hash[i].name, shape);
        digest_add(&digest, line, (size_t)used);
        digest_add(&digest, hash[i].hash, DIGEST_BYTES);
    }
    if (steps >= 0) {
        const int used = snprintf(line, sizeof line, "steps %lld", (long long)steps);
        digest_add(&digest, line, (size_t)used);
    }
    digest_text(&digest, text);
}

/** Hashes of what this rank is to hash, at their places in all [n_hashes]; a tensor has one, an expert tensor one an expert. */
static void hash_own(const Mesh *mesh, const Tensors *tensors, unsigned char *all)
{
    size_t place = 0;
    for (int i = 0; i < tensors->n; i++) {
        const Tensor *tensor = &tensors->tensor[i];
        const size_t row = tensors_row_bytes(tensor);
        if (!tensor->expert) {
            if (i % mesh->world.size == mesh->world.rank) {
                hash_bytes(all + place, tensor->data, row * (size_t)tensor->count);
            }
            place += DIGEST_BYTES;
            continue;
        }
        for (int64_t e = 0; e < tensor->count && mesh->world.rank < mesh->experts.size; e++) {
            hash_bytes(all + place + (size_t)(tensor->first + e) * DIGEST_BYTES,
                       (const char *)tensor->data + (size_t)e * row, row);
        }
        place += (size_t)tensor->shape.dim[0] * DIGEST_BYTES;
    }
}

int tensors_weights(TensorHash *hash, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (strncmp(hash[i].name, "params/", strlen("params/")) == 0) {
            hash[kept++] = hash[i];
        }
    }
    return kept;
}

void tensors_digest_run(char text[DIGEST_TEXT], char weights[DIGEST_TEXT], const Mesh *mesh,
                        const Tensors *tensors, int64_t steps)
{
    size_t n_hashes = 0, place = 0;
    for (int i = 0; i < tensors->n; i++) {
        n_hashes += tensors->tensor[i].expert ? (size_t)tensors->tensor[i].shape.dim[0] : 1;
    }
    unsigned char *all = mem_alloc(n_hashes + 1, DIGEST_BYTES);
    TensorHash *hash = mem_alloc((size_t)tensors->n, sizeof *hash);
    watch_enter("digest");
    hash_own(mesh, tensors, all);
    // all but one rank have zeros there, so the sum of the bytes as integers is that one's
    comm_sum_int64(&mesh->world, (int64_t *)(void *)all,
                   (int)(n_hashes * DIGEST_BYTES / sizeof(int64_t)));
    for (int i = 0; i < tensors->n; i++) {
        const Tensor *tensor = &tensors->tensor[i];
        const size_t n = tensor->expert ? (size_t)tensor->shape.dim[0] : 1;
        memcpy(hash[i].name, tensor->name, TENSOR_NAME);
        hash[i].shape = tensor->shape;
        if (tensor->expert) {
            hash_bytes(hash[i].hash, all + place, n * DIGEST_BYTES);
        } else {
            memcpy(hash[i].hash, all + place, DIGEST_BYTES);
        }
        place += n * DIGEST_BYTES;
    }
    tensors_digest(text, hash, tensors->n, steps);
    if (weights != NULL) {
        tensors_digest(weights, hash, tensors_weights(hash, tensors->n), -1);
    }
    mem_free(all);
    mem_free(hash);
}

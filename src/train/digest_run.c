// SPDX-License-Identifier: Apache-2.0
#include "train/digest_run.h"

#include "base/arena.h"
#include "base/tree.h"
#include "comm/watch.h"
#include "math/vec.h"

/** One array of an expert tensor [n_local, each] of all ranks of the first set, expert by expert. */
static void add_experts(Digest *digest, const Comm *set, const Params *experts, const Param *param,
                        const real *local, size_t each)
{
    real *one = MEM_ARRAY(real, each);
    for (int owner = 0; owner < set->size; owner++) {
        int first, last;
        mesh_experts(experts->n_experts, set->size, owner, &first, &last);
        for (int e = first; e < last; e++) {
            if (set->rank == owner) {
                vec_copy(one, local + param->offset + (size_t)(e - first) * each, each);
            }
            comm_copy(set, one, each * sizeof(real), owner, 0);
            if (set->rank == 0) {
                digest_add(digest, one, each * sizeof(real));
            }
        }
    }
    mem_free(one);
}

/** Elements of one expert of a tensor; its shape without the first axis. */
static size_t expert_size(const Param *param)
{
    size_t n = 1;
    for (int i = 1; i < param->n_dims; i++) {
        n *= (size_t)param->shape[i];
    }
    return n;
}

void digest_run(char text[DIGEST_TEXT], const Mesh *mesh, const Params *params, Optim *optim,
                const Params *experts, const Optim *expert_optim)
{
    const real *array[] = {experts->value, expert_optim->m, expert_optim->v, expert_optim->average};
    Digest digest;
    watch_enter("digest");
    digest_init(&digest);
    params_digest(params, &digest);
    optim_digest(optim, params, &digest);
    for (int i = 0; i < experts->n && mesh->world.rank < mesh->experts.size; i++) {
        for (int a = 0; a < 4; a++) {
            if (array[a] != NULL) {
                add_experts(&digest, &mesh->experts, experts, &experts->param[i], array[a],
                            expert_size(&experts->param[i]));
            }
        }
    }
    digest_text(&digest, text);
    if (!comm_is_root(&mesh->world)) {
        text[0] = '\0';
    }
}

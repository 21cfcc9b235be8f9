// SPDX-License-Identifier: Apache-2.0
/** The table of named tensors: registered once; then memory, sums, clipping, the optimiser, digests and gradient checks walk it.
 *
 *     value     [ encoder ......... | ffn .............. | head ... ]   one block, `size` elements; sections in data order
 *     gradient  [ encoder ......... | ffn .............. | head ... | touched rows x dim ]   one such block per slot
 *     rows      the word table: a matrix of its own, taken over from the reader, because only touched rows have gradients
 *
 * Gradients of a batch are sums over its groups in the order of a fixed tree (base/tree.h).  The backward pass writes the
 * gradient of one group at a time into a slot, and the slots are the stack of that tree, so that G groups need about log2 G
 * slots.  Each section goes through the groups on its own:
 *
 *     for each group g of this rank:  params_group_begin(p, g);  layer backward writes params_grad(p, ...);  params_group_end(p, section, g)
 *
 * Local. Only names, shapes and kinds matter to others; a tensor's number is the order of params_add().
 */
#ifndef MOE_NN_PARAMS_H
#define MOE_NN_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

typedef enum ParamKind {
    PARAM_DENSE,   // equal on all ranks
    PARAM_EXPERT,  // first axis = experts of this rank
    PARAM_ROWS     // first axis = rows, few of which are touched in a step
} ParamKind;

enum { PARAM_MAX_DIMS = 4, PARAM_MAX_SLOTS = 48 };

typedef struct Param {
    char *name;  // "bilstm.0.input"
    ParamKind kind;
    int n_dims;
    int shape[PARAM_MAX_DIMS];
    uint32_t stream;      // of its initial values: a hash of the name
    size_t size;          // product of the shape
    size_t logical_size;  // of all ranks together
    size_t
        origin;  // place of the first element in the logical tensor (experts: those of lower blocks come first)
    size_t offset;  // in the value and gradient blocks (rows: in the gradient block only)
    real *value;
    bool decay;  // weight decay applies (matrices yes, biases and scores no)
    int section;
} Param;

/** Zeroed struct: an empty table. */
typedef struct Params {
    Param *param;  // [n]
    int n;
    real *value;  // [size]
    size_t size;  // elements without rows
    int n_sections;
    int rows;  // number of the PARAM_ROWS tensor, or -1
    bool allocated;

    int first_expert,
        n_experts;  // first expert of this rank's block, and how many there are on all ranks
    void (*section_done)(
        void *context,
        int section);  // the last group of a section is in: its sum may travel; or NULL
    void *context;

    int first_group, last_group;  // the run of groups whose gradients come here
    int n_slots, slot_now;
    real *slot[PARAM_MAX_SLOTS];  // [size + max_rows * dim]
    const int *row;               // [n_rows] touched rows of the batch, the caller's
    int n_rows, max_rows;
} Params;

/** Register a tensor; dims given by n_dims ints. The section is that of the last params_section(). */
int params_add(Params *params, const char *name, ParamKind kind, bool decay, int n_dims,
               const int *shape);

/** Register the word table: rows [n, dim] lives elsewhere and is only referred to. At most one. */
int params_add_rows(Params *params, const char *name, real *rows, int n, int dim);

/** Expert tensors added from now on are the block of n_experts experts that begins at first. */
void params_set_experts(Params *params, int first, int n_experts);

/** Open the next section and return its number. */
int params_section(Params *params);

/** Allocate values (zero) and gradient slots for this rank's groups first .. last-1. Once, after all params_add(). */
void params_allocate(Params *params, int first_group, int last_group);

/** Gradient slots that a run of groups needs: about log2 of its length. */
int params_slots(int first_group, int last_group);

/** Weights of a tensor, and its gradient in the current slot. */
real *params_value(const Params *params, int tensor);
real *params_grad(const Params *params, int tensor);

/** Set the touched rows of a batch: row [n_rows], distinct, kept by pointer. Slots grow when they must. */
void params_touch_rows(Params *params, const int *row, int n_rows);

/** Elements of a gradient: size + n_rows * dim. */
size_t params_grad_size(const Params *params);

/** Point params_grad() at the slot of group g of this rank, then add the slot to the stack of sums. */
void params_group_begin(Params *params, int g);
void params_group_end(Params *params, int section, int g);

/** Where a section lies in a gradient: begin[0] .. end[0] of the block, and begin[1] .. end[1] of its rows. */
void params_section_range(const Params *params, int section, size_t begin[2], size_t end[2]);

/** Uniform on +-bound, a function of (seed, name, element of the logical tensor). */
void params_fill_uniform(Params *params, int tensor, uint64_t seed, double bound);

/** Elements by kind, experts of all ranks. */
size_t params_count(const Params *params, ParamKind kind);

/** Name of the first tensor whose value (grad false) or gradient in slot 0 (grad true) is not finite; NULL: none. */
const char *params_not_finite(const Params *params, bool grad);

void params_free(Params *params);

#endif

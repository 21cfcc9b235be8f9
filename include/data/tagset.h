// SPDX-License-Identifier: Apache-2.0
/** Labels of the model: O and, for every entity type, B I E S (IOBES); conversion from IOB1, IOB2 and IOBES files. Local.
 *
 *     label 0 = O;  of type i: 1 + 4 i + {0 B, 1 I, 2 E, 3 S}.   Types are sorted bytewise.
 *
 * Legal paths: start -> O B S; O E S -> O B S; B I of a type -> I E of the same type; end after O E S.
 */
#ifndef MOE_DATA_TAGSET_H
#define MOE_DATA_TAGSET_H

#include <stdbool.h>

#include "base/check.h"
#include "base/text.h"
#include "data/conll.h"

typedef enum TagScheme { SCHEME_IOB1, SCHEME_IOB2, SCHEME_IOBES } TagScheme;

const char *tagset_scheme_name(TagScheme scheme);

/** Recognise the scheme of a file from its tags: any S- or E- (or the aliases U- and L- of BILOU, and M- for I- of BMES when
 * S or E stand beside it) is IOBES; otherwise the one of IOB1 and IOB2 that fewer tags break (an I- that starts an entity
 * breaks IOB2; a B- that does not stand right after an entity of its type breaks IOB1; as many: IOB2). A tag with none of the
 * prefixes (and not O), or with an empty type, is an error (CODE_INPUT) that names file:line and the tag and suggests
 * --columns. Tags that break the scheme found are repaired as conlleval reads them (B and S start an entity, so does a tag
 * after another type, O, E or S; E and S end one), and noted. */
Status tagset_scheme(TagScheme *scheme, const Conll *conll, Notes *notes) MUST_USE;

/** The types of the training file. */
typedef struct Tagset {
    int n_types;
    int n_labels;       // 1 + 4 n_types
    StringTable types;  // number = type
} Tagset;

enum { LABEL_O = 0, LABEL_UNKNOWN_TYPE = -1 };

/** Collect the types of a file, sorted. Error (CODE_INPUT): no entity at all, more than 1000 types. */
Status tagset_build(Tagset *tagset, const Conll *train, TagScheme scheme) MUST_USE;

/** label [conll->n_tokens]: IOBES labels; an entity of a type that the tagset lacks gives LABEL_UNKNOWN_TYPE (noted with
 * file:line: it can be scored, never predicted). n_entities gets the number of entities, unknown types included. */
void tagset_encode(const Tagset *tagset, const Conll *conll, TagScheme scheme, int *label,
                   int *n_entities, Notes *notes);

/** May `to` follow `from` in a sentence; may a sentence start or end with a label. */
bool tagset_legal(const Tagset *tagset, int from, int to);
bool tagset_legal_start(const Tagset *tagset, int label);
bool tagset_legal_end(const Tagset *tagset, int label);

/** Label as text: "O", "B-PER", ... in IOBES; out has room for size bytes. */
void tagset_label_text(const Tagset *tagset, int label, char *out, size_t size);

/** The same in IOB2, as scorers want it: E- becomes I-, S- becomes B-. */
void tagset_iob2_text(const Tagset *tagset, int label, char *out, size_t size);

/** iob2 [conll->n_tokens]: gold tags of a file in IOB2, whatever its scheme and types, as numbers in `texts`. */
void tagset_gold_iob2(const Conll *conll, TagScheme scheme, int *iob2, StringTable *texts);

void tagset_free(Tagset *tagset);

#endif

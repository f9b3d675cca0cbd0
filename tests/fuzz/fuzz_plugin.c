/* SPDX-License-Identifier: Apache-2.0 */
/* What protoc gives the code generator: any bytes are refused with words, or become code. The text
 * is in here with its source, since the plugin leaves the freeing of all memory to its end. */
#include "text.c"

#include "emit.h"
#include "model.h"
#include "symbols.h"
#include "wrap.h"

#define INPUT_MAX 65536 /* protobuf-c recurses; protoc is no attacker */

static void free_all(void)
{
    while (blocks != NULL) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

static void emit(const struct model *model)
{
    struct outputs outputs = {0};
    outputs.last = &outputs.first;
    for (size_t i = 0; i < model->file_count; i++) {
        if (model->files[i].is_generated) {
            emit_tables(&outputs, &model->files[i], model->file_count);
            emit_client(&outputs, &model->files[i]);
            emit_server(&outputs, &model->files[i]);
        }
    }
    for (const struct output *output = outputs.first; output != NULL; output = output->next) {
        (void)wrap_code(&output->content);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Google__Protobuf__Compiler__CodeGeneratorRequest *request =
        len <= INPUT_MAX
            ? google__protobuf__compiler__code_generator_request__unpack(NULL, len, data)
            : NULL;
    if (request == NULL) {
        return 0;
    }
    struct model model = {0};
    if (model_build(&model, request, data, len) == NULL && symbols_check(&model) == NULL) {
        emit(&model);
    }
    free_all();
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    return 0;
}

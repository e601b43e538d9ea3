# Rules for firmware builds. In your Makefile:
#
#   TFLITE_REQUANT_PYTHON := .venv/bin/python     # that has tflite_requant installed
#   include path/to/requant.mk
#   $(call tflite_requant,build/kws.tflite,models/kws.tflite,symmetric)
#   $(call tflite_cc_array,build/kws_model.cc,build/kws.tflite)
#   $(call tflite_golden_vectors,build/vectors,build/kws.tflite,--directed 4)
#
# tflite_requant        OUT.tflite, MODEL.tflite, scheme (a preset or a .toml), more flags
# tflite_cc_array       OUT.cc (or .c), MODEL.tflite; OUT.h is written beside it
# tflite_golden_vectors FOLDER, MODEL.tflite, more flags; depend on FOLDER/manifest.json
#
# Flags that hold commas go through a variable. A result is made anew when its model changes, its
# scheme file or its calibration data. Needs GNU make 3.81 or later.

TFLITE_REQUANT_PYTHON ?= python3
TFLITE_REQUANT ?= $(_requant_python) -m tflite_requant

# The Python; looked at once, when a rule is about to run it.
_requant_python = $(if $(_requant_lacks),$(error \
  $(TFLITE_REQUANT_PYTHON) cannot import tflite_requant: install it there, or name a Python that \
  has it: make TFLITE_REQUANT_PYTHON=path/to/.venv/bin/python))$(TFLITE_REQUANT_PYTHON)
_requant_lacks = $(eval _requant_lacks := $$(shell $(_requant_import)))$(_requant_lacks)
_requant_import = $(TFLITE_REQUANT_PYTHON) -c "import tflite_requant.files" 2>/dev/null || echo it

tflite_requant = $(eval $(call _tflite_requant,$(strip $(1)),$(strip $(2)),$(strip $(3)),$(4)))
tflite_cc_array = $(eval $(call _tflite_cc_array,$(strip $(1)),$(strip $(2))))
tflite_golden_vectors = $(eval $(call _tflite_golden_vectors,$(strip $(1)),$(strip $(2)),$(3)))

define _tflite_requant
$(1): $(2)
	@mkdir -p $$(dir $(1))
	$$(TFLITE_REQUANT) $(2) --scheme $(3) --output $(1) --depfile $(1).d --quiet $(4)
-include $(1).d
endef

define _tflite_cc_array
$(1): $(2)
	@mkdir -p $$(dir $(1))
	$$(_requant_python) -m tflite_requant.c_array $(2) $(1)
$(basename $(1)).h: $(1)
	@touch $$@
endef

define _tflite_golden_vectors
$(1)/manifest.json: $(2)
	@mkdir -p $$(dir $(1))
	$$(TFLITE_REQUANT) golden $(2) --output $(1) --quiet $(3)
	@touch $$@
endef

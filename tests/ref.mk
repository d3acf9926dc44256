# Tests of tensors, backends and ops: one program per source file.
check_PROGRAMS += %D%/test_tensor
%C%_test_tensor_SOURCES = %D%/test_tensor.c
%C%_test_tensor_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_tensor_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_backend
%C%_test_backend_SOURCES = %D%/test_backend.c
%C%_test_backend_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_backend_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_params
%C%_test_params_SOURCES = %D%/test_params.c
%C%_test_params_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_params_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_ops
%C%_test_ops_SOURCES = %D%/test_ops.c %D%/op_cases.c %D%/opcase.c %D%/opcase.h %D%/beside.h
%C%_test_ops_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_ops_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_ops_known
%C%_test_ops_known_SOURCES = %D%/test_ops_known.c %D%/opcase.c %D%/opcase.h %D%/beside.h
%C%_test_ops_known_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_ops_known_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_pairwise
%C%_test_pairwise_SOURCES = %D%/test_pairwise.c %D%/opcase.c %D%/opcase.h %D%/beside.h
%C%_test_pairwise_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_pairwise_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_plugin
%C%_test_plugin_SOURCES = %D%/test_plugin.c %D%/network.c %D%/network.h
%C%_test_plugin_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_plugin_LDADD = $(TEST_LDADD)

# Plug-ins. A folder of plug-ins is loaded as a whole, so those that are refused have their own.
check_LTLIBRARIES += %D%/plugin_guarded.la %D%/plugin_block.la
%C%_plugin_guarded_la_SOURCES = %D%/plugin_guarded.c
%C%_plugin_guarded_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_plugin_guarded_la_LIBADD = libnonlocal.la
%C%_plugin_block_la_SOURCES = %D%/plugin_block.c
%C%_plugin_block_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_plugin_block_la_LIBADD = libnonlocal.la

check_LTLIBRARIES += %D%/odd/plugin_version.la %D%/odd/plugin_size.la \
	%D%/odd/plugin_symbol.la %D%/odd/plugin_taken.la
%C%_odd_plugin_version_la_SOURCES = %D%/plugin_odd.c
%C%_odd_plugin_version_la_CPPFLAGS = $(AM_CPPFLAGS) '-DODD_ABI=(NL_PLUGIN_ABI + 1)'
%C%_odd_plugin_version_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_odd_plugin_version_la_LIBADD = libnonlocal.la
%C%_odd_plugin_size_la_SOURCES = %D%/plugin_odd.c
%C%_odd_plugin_size_la_CPPFLAGS = $(AM_CPPFLAGS) -DODD_SIZE=16
%C%_odd_plugin_size_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_odd_plugin_size_la_LIBADD = libnonlocal.la
%C%_odd_plugin_symbol_la_SOURCES = %D%/plugin_odd.c
%C%_odd_plugin_symbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DODD_SYMBOL=nl_another
%C%_odd_plugin_symbol_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_odd_plugin_symbol_la_LIBADD = libnonlocal.la
%C%_odd_plugin_taken_la_SOURCES = %D%/plugin_odd.c
%C%_odd_plugin_taken_la_CPPFLAGS = $(AM_CPPFLAGS)
%C%_odd_plugin_taken_la_LDFLAGS = -module $(TEST_MODULE_LDFLAGS)
%C%_odd_plugin_taken_la_LIBADD = libnonlocal.la

check_PROGRAMS += %D%/test_train_ops
%C%_test_train_ops_SOURCES = %D%/test_train_ops.c %D%/train_op_cases.c %D%/train_op_cases.h \
	%D%/beside.h
%C%_test_train_ops_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_train_ops_LDADD = $(TEST_LDADD)

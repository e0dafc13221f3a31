// All tensor work runs on one thread anyway; one test at a time keeps counts of tensors and of memory exact.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

"""Other engines for the benchmark of vectors: reads commands from standard input, answers with a line of JSON each.

    open SET BASE DIMENSION METRIC    a set of float32 vectors in a file
    queries FILE                      float32, k is 10
    build ENGINE THREADS              seconds
    search ENGINE EF THREADS          seconds for all queries, and what was found

pip install numpy hnswlib faiss-cpu usearch
"""
import json
import sys
import time

import numpy as np

K = 10
state = {}


def build_hnswlib(base, metric, threads):
    import hnswlib

    index = hnswlib.Index({"l2": "l2", "dot": "ip"}[metric], base.shape[1])
    index.init_index(len(base), M=16, ef_construction=200)
    index.set_num_threads(threads)
    index.add_items(base, num_threads=threads)

    def search(queries, ef, threads):
        index.set_ef(ef)
        return index.knn_query(queries, k=K, num_threads=threads)[0]

    return search


def build_faiss(base, metric, threads, codes):
    import faiss

    faiss.omp_set_num_threads(threads)
    kind = {"l2": faiss.METRIC_L2, "dot": faiss.METRIC_INNER_PRODUCT}[metric]
    text = "HNSW16_SQ8,RFlat" if codes else "HNSW16,Flat"
    index = faiss.index_factory(base.shape[1], text, kind)
    graph = faiss.downcast_index(index.base_index) if codes else index
    graph.hnsw.efConstruction = 200
    index.train(base)
    index.add(base)

    def search(queries, ef, threads):
        faiss.omp_set_num_threads(threads)
        graph.hnsw.efSearch = ef
        if codes:
            index.k_factor = 2
        return index.search(queries, K)[1]

    return search


def build_usearch(base, metric, threads, dtype):
    from usearch.index import Index

    # Its 8-bit numbers are of the range from -1 to 1.
    scale = np.float32(1 / np.abs(base).max() if dtype == "i8" else 1)
    base = base * scale
    index = Index(ndim=base.shape[1], metric={"l2": "l2sq", "dot": "ip"}[metric], dtype=dtype, connectivity=16,
                  expansion_add=200)
    index.add(np.arange(len(base)), base, threads=threads)

    def search(queries, ef, threads):
        index.expansion_search = ef
        return index.search(queries * scale, K, threads=threads).keys

    return search


BUILDERS = {
    "hnswlib": build_hnswlib,
    "faiss HNSW": lambda *a: build_faiss(*a, codes=False),
    "faiss HNSW-SQ8 + refine": lambda *a: build_faiss(*a, codes=True),
    "usearch f32": lambda *a: build_usearch(*a, dtype="f32"),
    "usearch i8": lambda *a: build_usearch(*a, dtype="i8"),
}


def answer(command):
    verb, *words = command
    if verb == "open":
        base, dimension, metric = words
        state.update(base=np.fromfile(base, np.float32).reshape(-1, int(dimension)), metric=metric, engines={})
        return {"rows": len(state["base"])}
    if verb == "queries":
        state["queries"] = np.fromfile(words[0], np.float32).reshape(-1, state["base"].shape[1])
        return {"queries": len(state["queries"])}
    engine = words[0]
    if verb == "build":
        begin = time.perf_counter()
        state["engines"][engine] = BUILDERS[engine](state["base"], state["metric"], int(words[1]))
        return {"seconds": time.perf_counter() - begin}
    if verb == "search":
        begin = time.perf_counter()
        found = state["engines"][engine](state["queries"], int(words[1]), int(words[2]))
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "found": np.asarray(found).astype(int).tolist()}
    return {"error": f"unknown command {verb}"}


for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)

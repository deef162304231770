"""Inputs for a board, and what it left of them.

    bundle        a folder for a board: inputs, input list, network, encodings, manifest
    manifest      what a bundle is of, with digests: other results are refused
    input_list    the list of inputs that snpe-net-run and qnn-net-run read
    raw_outputs   Result_<n>/<output>.raw, found, mapped to images, read and checked
    results_file  detections in COCO's results format, read record by record
    box_forms     boxes that are written in another form, known by what they would overlap
"""

"""Tests of the Go module in ``interop/go``: session providers for beego that keep the promises of ours."""

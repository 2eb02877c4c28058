module beesession.test/ssdbgoclient

go 1.23

require github.com/ssdb/gossdb v0.0.0-20180723034631-88f6b59b84ec

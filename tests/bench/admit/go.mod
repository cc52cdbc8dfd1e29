module example.com/admit

go 1.24

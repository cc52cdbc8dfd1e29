package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

// What a look found.
type found struct {
	Version string `json:"version"`
	AK      string `json:"ak,omitempty"`
	SK      string `json:"sk,omitempty"`
	ST      string `json:"st,omitempty"`
	Exp     string `json:"exp,omitempty"`
	Err     string `json:"err,omitempty"`
	MS      int64  `json:"ms"`
}

// main looks so often as the arguments say; resolve is the SDK's, and keeps its provider.
func main() {
	times, _ := strconv.Atoi(os.Args[1])
	interval, _ := strconv.Atoi(os.Args[2])
	for i := 0; i < times; i++ {
		began := time.Now()
		line, err := resolve()
		if err != nil {
			line.Err = err.Error()
		}
		line.MS = time.Since(began).Milliseconds()
		text, _ := json.Marshal(line)
		fmt.Println(string(text))
		if i+1 < times {
			time.Sleep(time.Duration(interval) * time.Millisecond)
		}
	}
}

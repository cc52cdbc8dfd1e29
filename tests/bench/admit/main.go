// Sends one AdmissionReview again and again, as the API server's client would: admit URL BODY CA CLIENTS COUNT MILLISECONDS keep|close MUST
//
// CLIENTS ask at once, each anew when it has its answer, until COUNT requests are answered or the time is over (0: no such limit). `keep` keeps connections,
// by HTTP/2 where the server has it, as the API server does; `close` makes one for each request, with a whole handshake. Each answer has to hold MUST.
// Prints one JSON object; latencies are of whole requests, those of `close` from before the connection.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	return value
}

func file(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return content
}

func main() {
	if len(os.Args) != 9 {
		fmt.Fprintln(os.Stderr, "usage: admit URL BODY CA CLIENTS COUNT MILLISECONDS keep|close MUST")
		os.Exit(64)
	}
	url, body, must := os.Args[1], file(os.Args[2]), []byte(os.Args[8])
	clients, count, limit := number(os.Args[4]), int64(number(os.Args[5])), time.Duration(number(os.Args[6]))*time.Millisecond
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(file(os.Args[3]))
	keep := os.Args[7] == "keep"
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: keep, DisableKeepAlives: !keep,
		MaxIdleConnsPerHost: clients}
	var taken, errors atomic.Int64
	var lock sync.Mutex
	var all []time.Duration
	var said string
	var protocol string
	began := time.Now()
	once := func() (string, error) {
		answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		content, err := io.ReadAll(answer.Body)
		if err == nil && (answer.StatusCode != 200 || !bytes.Contains(content, must)) {
			err = fmt.Errorf("%d %.300s", answer.StatusCode, content)
		}
		return answer.Proto, err
	}
	var group sync.WaitGroup
	for range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			var own []time.Duration
			for (count == 0 || taken.Add(1) <= count) && (limit == 0 || time.Since(began) < limit) {
				start := time.Now()
				proto, err := once()
				if err != nil {
					errors.Add(1)
					lock.Lock()
					said = err.Error()
					lock.Unlock()
					continue
				}
				own = append(own, time.Since(start))
				lock.Lock()
				protocol = proto
				lock.Unlock()
			}
			lock.Lock()
			all = append(all, own...)
			lock.Unlock()
		}()
	}
	group.Wait()
	took := time.Since(began)
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[min(len(all)-1, int(share*float64(len(all))))].Microseconds())
	}
	made, err := json.Marshal(map[string]any{"requests": len(all), "errors": errors.Load(), "last_error": said, "protocol": protocol,
		"per_second": float64(len(all)) / took.Seconds(), "p50_us": at(0.5), "p99_us": at(0.99)})
	if err != nil {
		os.Exit(70)
	}
	fmt.Println(string(made))
}

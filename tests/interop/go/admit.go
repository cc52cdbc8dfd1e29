package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// What came of reviews that were sent to a webhook.
type admitted struct {
	Answers int    `json:"answers"`
	Bytes   int    `json:"bytes"`
	Proto   string `json:"proto"`
	TLS     string `json:"tls"`
	Resumed bool   `json:"resumed"`
}

// admit sends standard input so many times, as an API server does: over connections that are kept, some at a time, and by HTTP/2 if the other end can.
func admit(url, authority string, times int) (admitted, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return admitted{}, err
	}
	review, err := io.ReadAll(os.Stdin)
	if err != nil {
		return admitted{}, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 4,
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var out admitted
	var failed error
	var lock sync.Mutex
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < times; i++ {
				answer, err := client.Post(url, "application/json", bytes.NewReader(review))
				var body []byte
				if err == nil {
					body, err = io.ReadAll(answer.Body)
					answer.Body.Close()
				}
				if err == nil && answer.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s: %s", answer.Status, body)
				}
				lock.Lock()
				if err != nil {
					failed = err
				} else {
					out.Answers++
					out.Bytes = len(body)
					out.Proto = answer.Proto
					out.TLS = tls.VersionName(answer.TLS.Version)
					out.Resumed = out.Resumed || answer.TLS.DidResume
				}
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	return out, failed
}

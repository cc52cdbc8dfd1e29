// Retrieves credentials as real Go programs do, and prints who they are for and how long they last: nothing secret.
//
//	client default            the default chain of the AWS SDK for Go v2
//	client instance-profile   its provider for instance profiles
//	client minio              the IAM provider of minio-go
//	client s3 BUCKET KEY      reads an object of S3 with the default chain, and prints it
//	client s3 BUCKET KEY TEXT writes it before
//	client migrate            the default chain, by another name: an init container's command
//	client admit URL CA       sends a review from standard input to a webhook, 100 times
//	client serve              the default chain, each second, until SIGTERM and for three seconds more; SIGUSR2: uses ever more memory
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	minio "github.com/minio/minio-go/v7/pkg/credentials"
)

type shown struct {
	AccessKeyID string `json:"accessKeyId"`
	Expiration  string `json:"expiration"`
	Complete    bool   `json:"complete"`
	Source      string `json:"source"`
}

func fromAWS(ctx context.Context, provider aws.CredentialsProvider) (shown, error) {
	c, err := provider.Retrieve(ctx)
	return shown{c.AccessKeyID, c.Expires.UTC().Format(time.RFC3339), c.SecretAccessKey != "" && c.SessionToken != "", c.Source}, err
}

func retrieve(ctx context.Context, how string) (shown, error) {
	switch how {
	case "default", "migrate":
		loaded, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return shown{}, err
		}
		return fromAWS(ctx, loaded.Credentials)
	case "instance-profile":
		return fromAWS(ctx, ec2rolecreds.New())
	case "minio":
		c, err := minio.NewIAM("").GetWithContext(nil)
		return shown{c.AccessKeyID, c.Expiration.UTC().Format(time.RFC3339), c.SecretAccessKey != "" && c.SessionToken != "", "minio"}, err
	}
	return shown{}, fmt.Errorf("no such way: %q", how)
}

// serve asks anew each second, as an app that keeps nothing, and says what it got and whether it has been told to end.
func serve() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	hungry := make(chan os.Signal, 1)
	signal.Notify(hungry, syscall.SIGUSR2)
	tick := time.NewTicker(time.Second)
	out := json.NewEncoder(os.Stdout)
	ending, left := false, 3
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		found, err := retrieve(ctx, "default")
		cancel()
		line := map[string]any{"ending": ending, "complete": found.Complete, "accessKeyId": found.AccessKeyID}
		if err != nil {
			line["error"] = err.Error()
		}
		if out.Encode(line) != nil {
			os.Exit(1)
		}
		if ending {
			if left--; left == 0 {
				return
			}
		}
		select {
		case <-told:
			ending = true
		case <-hungry:
			eat()
		case <-tick.C:
		}
	}
}

// eat never returns: the limit of its container ends it.
func eat() {
	for eaten := [][]byte{}; ; {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		eaten = append(eaten, piece)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve()
		return
	}
	how := "default"
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	if how == "admit" && len(os.Args) == 4 {
		done, err := admit(os.Args[2], os.Args[3], 25)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
			os.Exit(1)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if how == "s3" && len(os.Args) > 3 {
		text, err := object(ctx, os.Args[2], os.Args[3], os.Args[4:]...)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(text)
		return
	}
	found, err := retrieve(ctx, how)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}

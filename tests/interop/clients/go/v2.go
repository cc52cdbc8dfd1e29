package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

var loaded *aws.Config

// The AWS SDK for Go v2: the default chain of one aws.Config.
func resolve() (found, error) {
	out := found{Version: aws.SDKVersion}
	if loaded == nil {
		made, err := config.LoadDefaultConfig(context.Background())
		if err != nil {
			return out, err
		}
		loaded = &made
	}
	c, err := loaded.Credentials.Retrieve(context.Background())
	if err != nil {
		return out, err
	}
	out.AK, out.SK, out.ST = c.AccessKeyID, c.SecretAccessKey, c.SessionToken
	if c.CanExpire {
		out.Exp = c.Expires.UTC().Format(time.RFC3339)
	}
	return out, nil
}

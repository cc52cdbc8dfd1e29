package main

import (
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
)

var made *session.Session

// The AWS SDK for Go v1: the default chain of one session.
func resolve() (found, error) {
	out := found{Version: aws.SDKVersion}
	if made == nil {
		s, err := session.NewSession()
		if err != nil {
			return out, err
		}
		made = s
	}
	c, err := made.Config.Credentials.Get()
	if err != nil {
		return out, err
	}
	out.AK, out.SK, out.ST = c.AccessKeyID, c.SecretAccessKey, c.SessionToken
	return out, nil
}

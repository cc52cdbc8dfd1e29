package main

import (
	"errors"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// minio-go: the chain that mc and restic have. MINIO_ENDPOINT is the option for the metadata service.
var chain = func() *credentials.Credentials {
	if endpoint := os.Getenv("MINIO_ENDPOINT"); endpoint != "" {
		return credentials.NewIAM(endpoint)
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Transport: http.DefaultTransport}},
	})
}()

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/minio/minio-go/v7" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func resolve() (found, error) {
	out := found{Version: version()}
	c, err := chain.Get()
	if err == nil && c.AccessKeyID == "" {
		err = errors.New("anonymous: no credentials, and no error")
	}
	if err != nil {
		return out, err
	}
	out.AK, out.SK, out.ST = c.AccessKeyID, c.SecretAccessKey, c.SessionToken
	return out, nil
}

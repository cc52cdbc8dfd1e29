# A cluster that is not EKS as OIDC provider, and a role for one of its service accounts (--exchange=web-identity).

variable "issuer" {
  type        = string
  description = "as kubectl get --raw /.well-known/openid-configuration says it; AWS must be able to read what it has there"
}

variable "namespace" {
  type    = string
  default = "default"
}

variable "service_account" {
  type    = string
  default = "app"
}

locals {
  issuer = trimprefix(var.issuer, "https://")
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = ["pods.eks.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["pods.eks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${var.service_account}"]
    }
  }
}

resource "aws_iam_role" "app" {
  name               = "${var.namespace}-${var.service_account}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

# The value of the key NAMESPACE.SERVICEACCOUNT in the ConfigMap of associations.
output "association" {
  value = jsonencode({ roleArn = aws_iam_role.app.arn })
}

# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  identities          = {}
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
}

run "name_too_short" {
  command = plan

  variables {
    identities = { ci = { name = "id" } }
  }

  expect_failures = [var.identities]
}

run "credential_with_a_space" {
  command = plan

  variables {
    identities = {
      ci = {
        credentials = {
          "git hub" = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:environment:dev" }
        }
        name = "id-flights"
      }
    }
  }

  expect_failures = [var.identities]
}

run "issuer_without_https" {
  command = plan

  variables {
    identities = {
      ci = {
        credentials = {
          github = { issuer = "token.actions.githubusercontent.com", subject = "repo:acme/flights:environment:dev" }
        }
        name = "id-flights"
      }
    }
  }

  expect_failures = [var.identities]
}

run "subject_with_a_star" {
  command = plan

  variables {
    identities = {
      ci = {
        credentials = { github = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:*" } }
        name        = "id-flights"
      }
    }
  }

  expect_failures = [var.identities]
}

run "too_many_credentials" {
  command = plan

  variables {
    identities = {
      ci = {
        credentials = {
          branch-00 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/0" }
          branch-01 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/1" }
          branch-02 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/2" }
          branch-03 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/3" }
          branch-04 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/4" }
          branch-05 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/5" }
          branch-06 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/6" }
          branch-07 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/7" }
          branch-08 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/8" }
          branch-09 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/9" }
          branch-10 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/10" }
          branch-11 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/11" }
          branch-12 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/12" }
          branch-13 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/13" }
          branch-14 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/14" }
          branch-15 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/15" }
          branch-16 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/16" }
          branch-17 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/17" }
          branch-18 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/18" }
          branch-19 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/19" }
          branch-20 = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:ref:refs/heads/20" }
        }
        name = "id-flights"
      }
    }
  }

  expect_failures = [var.identities]
}
